export INGOT_DATA=data
# The list holds what ships; a value can be changed; wrong names and values are refused; a measured host is a machine file.
ingot machine list | awk '{print $1, $2, $3}' | grep -E '^(cs3|dgx-b200|gb200-nvl72|groq-lpu|maia100) '
ingot machine show maia100 | grep absent: | head -1
ingot machine show cs3 --set io_bw_bytes_per_s=1TB/s | grep -A1 io_bw
ingot machine show cs3 --set io_bw_bytes_per_s=1kW || true
ingot machine show cs3 --set clock_hz=nan || true
ingot machine show no-such || true
ingot machine measure --threads 1 -o "$T/host.json"
ingot machine show "$T/host.json" | grep -c measured
