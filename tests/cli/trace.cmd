# What two PEs did: the page of text, and files that are what they say. The program runs unmodified. What hangs on the
# wafer's timing rather than on the program is left out.
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
cp examples/two-pes/*.csl examples/two-pes/run.py "$T"
cd "$T"
cslc layout.csl --arch=wse3 --fabric-dims=9,3 --fabric-offsets=4,1 --params=N:8 --memcpy --channels=1 -o two
ingot trace --out t.json --heat h.svg --profile l.txt --energy --memory -- cs_python -B run.py --name two |
    sed -e 's|[^ ]*/lib/memcpy|lib/memcpy|' -e '/^  cycles /d' -e '/^  idle PEs/d' -e '/^  total/d' -e '/^  average/d' \
        -e 's|  *[0-9.]*%$||'
echo "--- files"
python3 - <<'PY'
import json, xml.dom.minidom
trace = json.load(open("t.json"))
kinds = {}
for e in trace["traceEvents"]:
    kinds[e["ph"]] = kinds.get(e["ph"], 0) + 1
print(sorted(kinds.items()), trace["otherData"]["time"])
print(sorted(e["name"] + " " + e["args"].get("line", "") for e in trace["traceEvents"] if e.get("cat") in ("task", "vector")))
print(xml.dom.minidom.parse("h.svg").documentElement.tagName, len(open("l.txt").readlines()) > 5)
PY
echo "--- exit status, and a command that runs nothing"
ingot trace -- sh -c 'exit 3' || echo "status $?"
ingot trace true || echo "status $?"
ingot trace no-such-command || echo "status $?"
