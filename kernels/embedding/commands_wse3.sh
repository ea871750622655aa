#!/usr/bin/env bash
set -e
cslc layout.csl --arch=wse3 --fabric-dims=12,9 --fabric-offsets=4,1 --params=width:5,height:7,row_group:2,column_group:3,d_tile:6,rows_tile:11,tokens:8,root_x:2,root_y:3 --memcpy --channels=1 -o out
cs_python run.py --name out
