#!/usr/bin/env bash
set -e
cslc layout.csl --arch=wse3 --fabric-dims=13,6 --fabric-offsets=4,1 --params=width:6,height:4,m_tile:5,n_tile:7,k_panel:3,panels:12 --memcpy --channels=1 -o out
cs_python run.py --name out
