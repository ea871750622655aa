# The debugger without a host script (cycles are left out: they hang on the compiler), on a program with a struct, a table, calls and a broadcast; what it refuses; a fault.
set -e
debug() { # ingot debug, without what code generation decides
    ingot debug "$@" | sed -e 's/cycle [0-9]*/cycle N/g' -e 's/[0-9]* cycles/N cycles/'
}
cp tests/debug/*.csl "$T"
cd "$T"
for arch in wse2 wse3; do
    cslc layout.csl --arch=$arch --fabric-dims=10,3 --fabric-offsets=4,1 --params=width:3,stuck:0 --memcpy --channels=1 -o $arch
done
debug wse3 <<'END'
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
list 24
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
debug wse2 <<'END'
break any at 5,5
break at 0,0
watch now.rounds at 2,0
launch begin 1
delete 1
continue
delete all
info pes
info router
continue
launch begin 1
END
echo "--- numbers"
printf 'break begin at 1,0\nlaunch begin 1\ninfo registers\ninfo counters\ncode\nprint $pc\nstepi 3\ncycle +3\nquit\n' | debug wse3 |
    sed -e 's/[0-9a-f]*[0-9][0-9a-f]*/N/g' | grep -e '^pc' -e 'scalar instructions' -e '^-> .*N$' -e '^PE.*begin'
echo "--- waiting for nobody"
cslc layout.csl --arch=wse3 --fabric-dims=10,3 --fabric-offsets=4,1 --params=width:3,stuck:1 --memcpy --channels=1 -o stuck
debug stuck <<'END'
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
debug faulty <<'END'
launch begin 1
where
continue
quit
END
echo "--- no such things"
ingot debug -x absent.txt wse3 || echo "status $?"
ingot debug no-such-command || echo "status $?"
