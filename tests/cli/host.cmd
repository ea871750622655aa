# A program of our own through cslc and SdkRuntime, for both generations: copies, streams, launches, deadlocks.
command -v cs_python >/dev/null || { echo "bin/cs_python is not built" >&2 && exit 77; }
if ! (cd / && { python3 -c 'import numpy' || /usr/bin/python3 -c 'import numpy'; }) 2>/dev/null; then
    echo "NumPy is missing (scripts/deps python)" >&2
    exit 77
fi
if grep -q __asan_init "$(dirname "$(command -v cs_python)")/libingot.so"; then
    echo "a sanitized libingot.so cannot be loaded by Python" >&2
    exit 77
fi
set -e
for arch in wse2 wse3; do
    cslc tests/host/layout.csl --arch=$arch --fabric-dims=11,5 --fabric-offsets=4,1 --params=width:4,height:3,M:6 \
        --memcpy --channels=1 -o "$T/out-$arch"
    cs_python -B tests/host/run.py "$T/out-$arch"
done
