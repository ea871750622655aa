# A prediction, machines compared, a sweep with its chart, rows of one folder judged; impossible questions get an answer.
export INGOT_DATA=data
ingot predict -m llama-3.1-70b -M cs3 --streamed | grep -E "^(runs on|  wafer I/O)|what-if"
ingot predict -m llama-3.2-1b -M cs3 --plan | grep -c "kernels/ by plan"
ingot predict -m llama-3.2-1b -M cs3 --plan --json | grep -c '"kernels_by_plan": {"user_tok_s": .*}}$'
ingot predict -m llama-3.2-1b -M h100 --plan || echo $?
ingot predict -m mixtral-8x7b -M h200 --html "$T/p.html" | head -1
grep -o "<svg" "$T/p.html" | wc -l
ingot compare -m llama-3.1-70b cs3 dgx-b200 maia100 | awk '{print $1, $2}'
ingot compare -m llama-3.1-70b cs3 dgx-b200 maia100 --html "$T/c.html" --svg "$T/c.svg" >"$T/c.txt"
grep -o "no prediction" "$T/c.svg" | wc -l; grep -o "<rect x" "$T/c.html" | wc -l; grep -c "</html>" "$T/c.html"
PATH=/nowhere "$(command -v ingot)" compare cs3 --svg "$T/c.png" >"$T/c.txt" || ls "$T" | grep -c "c.png"
ingot sweep -m llama-3.1-8b machine=cs3,h100 batch=1,8 --svg "$T/s.svg" | cut -d, -f1,2,12,18
grep -c "<path fill" "$T/s.svg"
ingot sweep -m llama-3.1-8b -M dgx-b200 batch=1:500:50 prompt=10:5000:20 --threads 1 >"$T/1.csv"
ingot sweep -m llama-3.1-8b -M dgx-b200 batch=1:500:50 prompt=10:5000:20 --threads 3 >"$T/3.csv"
cmp "$T/1.csv" "$T/3.csv" && echo same
mkdir "$T/rows" && head -3 data/validation/cerebras_token_rates.csv >"$T/rows/a.csv" && echo "a,b" >"$T/rows/b.csv"
ingot validate --data "$T/rows" --summary | cut -c1-70
ingot claims | tail -1
for bad in "-m no-such" "-w fp7" "-b 0" "-m llama-3.1-405b -M h100 --systems 1" "-M maia100" "--set clock_hz=0" "--draft 65"; do
    ingot predict $bad || echo "$?"
done
ingot simulate -r 5 -c 500 | head -1
ingot simulate -c 10 || echo $?
printf 'TIMESTAMP,ContextTokens,GeneratedTokens\n2024-05-10 00:00:00.5,500,20\n2024-05-10 00:00:02.5,700,30\n' >"$T/t.csv"
ingot simulate --trace "$T/t.csv" | sed -n '1p'
ingot simulate --calls 5 -r 0.2 -c 200 --prefix-cache replica | grep -cE "a task|are found"
printf 'when,what\n' >"$T/wrong.csv" && ingot simulate --trace "$T/wrong.csv" 2>&1 | sed 's/.*wrong.csv//' | cut -c1-40
ingot simulate --scenario zhipu-512 | grep -E "published .*(met|missed)"
ingot plan-capacity --megawatts 250 | grep -E "systems|power"
ingot plan-capacity --megawatts 250 | grep -cE "electricity|drawn|price"
ingot plan-capacity --megawatts 50 cs3 dgx-b200 h100 maia100 2>&1 | awk '{print $1, $2}' | sed -n '3,6p'
ingot plan-capacity -r 5 --tpot 1e-6 || echo $?
ingot sweep batch=1:2 || echo $?
ingot sweep nonsense=3 || echo $?
