# A wafer with drawn holes, one with those of a file; a drawn one saved, read again; one that cannot be rebuilt.
set -e
export INGOT_ROOT=.
ingot wafer --defect-density 0.001 --seed 1 --svg "$T/wafer.svg" --save "$T/holes.csv"
grep -c circle "$T/wafer.svg"
ingot wafer --defects "$T/holes.csv" --json
ingot wafer --defects data/defects/example.csv --no-picture --rows
ingot wafer --machine wse2 --no-picture
ingot wafer --defect-density 0.5/pe --no-picture && exit 1
ingot wafer --defect-density few --no-picture && exit 1
exit 0
