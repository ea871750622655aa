#!/usr/bin/env bash
set -e
for kind in 0 1; do
  cslc layout.csl --arch=wse3 --fabric-dims=14,4 --fabric-offsets=4,1 --params=width:7,height:2,row_group:3,d:37,d_tile:6,kind:$kind,root_x:3 --memcpy --channels=1 -o out
  cs_python run.py --name out
done
