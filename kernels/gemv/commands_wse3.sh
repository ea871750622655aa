#!/usr/bin/env bash
set -e
cslc layout.csl --arch=wse3 --fabric-dims=12,5 --fabric-offsets=4,1 --params=width:5,height:3,row_group:2,m_tile:7,k_tile:9,root_x:2,root_y:1 --memcpy --channels=1 -o out
cs_python run.py --name out
