# Every kernel's own script: compiled, run and compared with NumPy.
command -v cs_python >/dev/null || { echo "bin/cs_python is not built" >&2 && exit 77; }
if ! (cd / && { python3 -c 'import numpy' || /usr/bin/python3 -c 'import numpy'; }) 2>/dev/null; then
    echo "NumPy is missing (scripts/deps python)" >&2
    exit 77
fi
if grep -q __asan_init "$(dirname "$(command -v cs_python)")/libingot.so"; then
    echo "a sanitized libingot.so cannot be loaded by Python" >&2
    exit 77
fi
tools/run-examples -j 2 --bin "$(dirname "$(command -v cslc)")" --arch wse3 kernels >"$T/table" || { cat "$T/table" >&2 && exit 1; }
tail -n 1 "$T/table"
