#!/usr/bin/env bash
set -e
for qk_norm in 0 1; do
  # scale 0.25
  cslc layout.csl --arch=wse3 --fabric-dims=12,6 --fabric-offsets=4,1 --params=width:5,units:2,unit_rows:2,row_group:3,group:3,head:9,slots:3,queries:4,qk_norm:$qk_norm,scale_bits:1048576000,root_x:2,root_y:1 --memcpy --channels=1 -o out
  cs_python run.py --name out
done
