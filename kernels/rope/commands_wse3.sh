#!/usr/bin/env bash
set -e
for style in 1 2; do
  cslc layout.csl --arch=wse3 --fabric-dims=10,4 --fabric-offsets=4,1 --params=width:3,height:2,heads:3,head:20,dims:14,style:$style --memcpy --channels=1 -o out
  cs_python run.py --name out
done
