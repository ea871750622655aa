# The tests of the Python packages: each is a file of unittest in tests/python.
command -v cs_python >/dev/null || { echo "bin/cs_python is not built" >&2 && exit 77; }
if ! (cd / && { python3 -c 'import numpy' || /usr/bin/python3 -c 'import numpy'; }) 2>/dev/null; then
    echo "NumPy is missing (scripts/deps python)" >&2
    exit 77
fi
if grep -q __asan_init "$(dirname "$(command -v cs_python)")/libingot.so"; then
    echo "a sanitized libingot.so cannot be loaded by Python" >&2
    exit 77
fi
for test in tests/python/test_*.py; do
    cs_python -B "$test" >"$T/log" 2>&1 || { cat "$T/log" >&2 && exit 1; }
done
