#!/usr/bin/env bash
set -e
cslc layout.csl --arch=wse3 --fabric-dims=18,7 --fabric-offsets=4,1 --params=width:11,height:5,row_group:3,column_group:2,n:17,root_x:5,root_y:2 --memcpy --channels=1 -o out
cs_python run.py --name out
