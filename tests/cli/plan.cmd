# Plans of the model that ships: shape, a picture as SVG, JSON, what does not fit; and the wafer says what the oracle says.
export INGOT_ROOT=.
tiny=data/models/untrained-tiny.gguf
ingot plan -m $tiny --columns 4 --unit-rows 6 --head-rows 5 --context 100 --svg "$T/plan.svg" | sed -n '1,8p'
grep -c title "$T/plan.svg"
ingot plan -m $tiny --context 100 --json | grep -c '"ingot_plan": 1'
ingot plan -m $tiny --weights streamed --context 100 --no-picture | grep -c 'a pass of up to 8 tokens'
ingot plan -m $tiny --columns 1 --unit-rows 1 --no-picture 2>&1 | grep -c 'without these limits .* would do'
ingot plan -m $tiny --columns 900 --no-picture && exit 1
for engine in oracle wafer; do
    ingot run -m $tiny --engine $engine --layers 2 --context 64 -p "Hello" -n 6 --temp 0 --ignore-stop -q >"$T/$engine" || exit 1
done
cmp "$T/oracle" "$T/wafer" && echo same
ingot run -m $tiny --engine wafer --layers 1 --context 64 -p "Hello" -n 3 --report json 2>/dev/null | grep -c '"kernels_measured_predicted_cycles_per_token"'
# pruned a little, pruned much: what is lost against the whole model on the same text, more the more is left out
for share in 0.0001 0.7; do
    ingot run -m $tiny --engine wafer --layers 1 --weights streamed --sparsity $share --context 64 -p "Hello" -n 3 --temp 0 --report json 2>/dev/null |
        python3 -c 'import json,sys; p = json.load(sys.stdin)["pruned"]; print("pruned", "little" if p["divergence_nats"] < 0.01 else "much", p["places"])'
done
ingot run -m $tiny --sparsity 0.5 -p "Hello" && exit 1
ingot run -m $tiny --engine wafer --layers 9 -p "Hello" && exit 1
exit 0
