# The debugger without a host script, on a program with a struct, a table, calls and a broadcast; what it refuses; a fault.
set -e
cp tests/debug/*.csl "$T"
cd "$T"
for arch in wse2 wse3; do
    cslc layout.csl --arch=$arch --fabric-dims=10,3 --fabric-offsets=4,1 --params=width:3,stuck:0 --memcpy --channels=1 -o $arch
done
ingot debug wse3 <<'END'
break square at 1,0
break done at 2..2,0
break plus at 1,0
launch begin 2.5
delete 3
continue
where
print table
print table[1, 2]
print table[1][2]
print now
print now.seen[1]
print sum_ptr
finish
step
next
disable 1
c
info tasks
x table 6
print sum at all
print/x now
set now.seen[0] = 12
set sum[1] = -0.125
print now
print sum
info symbols now
info registers
p $pc
cycle +3
stepi 2
where
list 24
code
continue
# and what it does not take
break 999
break pe.csl:20
break nowhere
break done at 5,0
print nothing
print table[2, 0]
print table[0]
print now.other
print sum.x
set now.seen[0] = 70000
set sum = 1
delete 77
launch nothing
launch begin
frobnicate
info everything
info break
quit
END
echo "--- wse2"
ingot debug wse2 <<'END'
break any at 5,5
break at 0,0
watch now.rounds at 2,0
launch begin 1
delete 1
continue
delete all
cycle 30
info pes
info router
continue
launch begin 1
info counters
END
echo "--- waiting for nobody"
cslc layout.csl --arch=wse3 --fabric-dims=10,3 --fabric-offsets=4,1 --params=width:3,stuck:1 --memcpy --channels=1 -o stuck
ingot debug stuck <<'END'
launch begin 1
waits at 0,0
info vectors
run
launch begin 1
quit
END
echo "--- a fault"
sed -i 's/var total: i16 = 0;/var total: i16 = 0; sys.unblock_cmd_stream(); @assert(now.rounds != -2);/' pe.csl
cslc layout.csl --arch=wse3 --fabric-dims=10,3 --fabric-offsets=4,1 --params=width:3,stuck:0 --memcpy --channels=1 -o faulty
ingot debug faulty <<'END'
launch begin 1
where
continue
quit
END
echo "--- no such things"
ingot debug -x absent.txt wse3 || echo "status $?"
ingot debug no-such-command || echo "status $?"
