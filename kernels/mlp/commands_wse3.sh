#!/usr/bin/env bash
set -e
for kind in gated:1,activation:0 gated:0,activation:1; do
  cslc layout.csl --arch=wse3 --fabric-dims=12,7 --fabric-offsets=4,1 --params=width:5,height:5,row_group:2,column_group:3,d_tile:7,mlp_tile:9,root_x:2,root_y:2 --params=$kind --memcpy --channels=1 -o out
  cs_python run.py --name out
done
