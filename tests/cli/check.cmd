# What checks of a run tell a user, without a host script and under ingot trace; a command that fails to run tells nothing.
set -e
cp tests/checks/*.csl "$T"
cd "$T"
cslc layout.csl --arch=wse3 --fabric-dims=9,3 --fabric-offsets=4,1 --params=mistake:4 --memcpy --channels=1 -o built
echo "--- off"
echo 'launch go' | ingot debug built >/dev/null
echo "--- on"
echo 'launch go' | INGOT_CHECK=1 ingot debug built 2>&1 >/dev/null
echo "--- by ingot trace"
echo 'launch go' | ingot trace --check -- ingot debug built 2>&1 | grep warning
