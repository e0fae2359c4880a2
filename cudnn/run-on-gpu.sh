#!/usr/bin/env bash
# Proves and measures the cuDNN backend on a machine with an NVIDIA card, and writes one report.
#
#	cudnn/run-on-gpu.sh --build DIR        puts the programs it needs into DIR, for a machine without Go
#	cudnn/run-on-gpu.sh [--binaries DIR] [--data CIFAR] [--python PYTHON] [--report FILE]
#
# Without --binaries it builds them, with Go and a C compiler. CIFAR is the folder of CIFAR-10's
# binary version; without it the data are generated shapes. PYTHON is a Python with PyTorch, to
# compare with. LAMINA_CUDA names folders of the libraries that the system does not find.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

binaries='' data=shapes python='' report=gpu-report.md
while [ $# -gt 0 ]; do
	case $1 in
	--build) build=$2 ;;
	--binaries) binaries=$2 ;;
	--data) data=$2 ;;
	--python) python=$2 ;;
	--report) report=$2 ;;
	*) sed -n '2,9s/^# \{0,1\}//p' "$0"; exit 2 ;;
	esac
	shift 2
done

# build_all puts the program, and the tests of this package, into a folder.
build_all() {
	mkdir -p "$1" && go build -tags cudnn -o "$1/train" ./cmd/train && go test -c -tags cudnn -o "$1/cudnn.test" ./cudnn
}
if [ -n "${build:-}" ]; then
	build_all "$build"
	exit
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
if [ -z "$binaries" ]; then
	binaries=$work/bin
	build_all "$binaries" || exit 1
fi
binaries=$(cd "$binaries" && pwd)
report=$(realpath -m "$report")
case $data in shapes) ;; *) data=$(realpath "$data") ;; esac
export LAMINA_CARD=1 XDG_CACHE_HOME=$work/cache
failed=0

say() { printf '%s\n' "$@" | tee -a "$report"; }
# part runs a command and puts its output, or the end of it, to the report.
part() {
	local title=$1 lines=$2 status
	shift 2
	say "" "## $title" "" '```'
	"$@" >"$work/out" 2>&1
	status=$?
	tail -n "$lines" "$work/out" | tee -a "$report"
	grep '^note' "$work/out" >>"$work/notes"
	say '```'
	if [ $status -ne 0 ]; then
		say "" "**failed** (exit $status)"
		failed=$((failed + 1))
	fi
}
train() { "$binaries/train" --data "$data" --model vgg11 --weight-decay 0.0005 "$@"; }

: >"$report"
say "# The cuDNN backend on a card" "" "$(date -u +%F), $(uname -srm)"
part "machine" 20 nvidia-smi --query-gpu=name,driver_version,memory.total,compute_cap,clocks.max.sm,power.limit --format=csv
cd cudnn || exit 1
part "conformance, in each precision" 40 "$binaries/cudnn.test" -test.run '^TestCard$' -test.timeout 30m
part "golden" 40 "$binaries/cudnn.test" -test.run '^TestCardGolden$' -test.timeout 30m
part "time of a step at batch 128" 60 "$binaries/cudnn.test" -test.run '^$' -test.bench '^BenchmarkCard$' -test.benchtime 3x -test.timeout 60m
cd ..

nvidia-smi --query-gpu=memory.used --format=csv,noheader,nounits -lms 200 >"$work/memory" 2>&1 &
watcher=$!
part "three epochs of vgg11 on the card, fp32" 20 train --backend cudnn --epochs 3 --out "$work/card"
capability=$(nvidia-smi --query-gpu=compute_cap --format=csv,noheader | head -1)
[ "${capability%%.*}" -lt 8 ] || part "the same in bf16" 20 train --backend cudnn --precision bf16 --epochs 3 --out "$work/bf16"
kill $watcher 2>/dev/null
say "" "largest memory in use: $(sort -n "$work/memory" | tail -1) MiB"
part "the same on the CPU" 20 train --backend cpu --epochs 3 --out "$work/cpu"
say "" "the curves:" '```'
for run in card bf16 cpu; do [ ! -e "$work/$run" ] || say "$run" "$(cat "$work/$run/history.csv")"; done
say '```'

# A killed run is resumed. With --deterministic it ends with the bits of an uninterrupted run.
killed() {
	train --backend cudnn --deterministic --limit 25000 --epochs 2 --out "$work/whole" &&
		{ train --backend cudnn --deterministic --limit 25000 --epochs 2 --save-every 1s --out "$work/killed" & } || return 1
	local run=$!
	until [ -s "$work/killed/checkpoint.lamina" ]; do
		sleep 0.2
		kill -0 $run 2>/dev/null || return 1
	done
	kill -9 $run
	wait $run
	"$binaries/train" --resume "$work/killed" && cmp "$work/whole/checkpoint.lamina" "$work/killed/checkpoint.lamina" && echo "the same bits"
}
part "kill and resume, deterministic" 20 killed
other() { "$binaries/train" --resume "$work/cpu" --backend cudnn --epochs 4 && "$binaries/train" --resume "$work/card" --backend cpu --epochs 4; }
part "a CPU run resumed on the card, and a run of the card on the CPU" 40 other

if [ -n "$python" ]; then
	part "PyTorch on the same card, torch.compile and channels_last, ms a step" 40 "$python" cudnn/peers.py
fi
part "algorithms of convolutions, as they were measured" 400 cat "$XDG_CACHE_HOME/lamina/convolutions-cudnn.json"
say "" "notes of the program, such as that a driver cannot record steps:" "" "$(sort -u "$work/notes")"
say "" "$failed parts failed"
[ $failed -eq 0 ]
