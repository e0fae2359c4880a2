#!/usr/bin/env bash
# Proves and measures the cuDNN backend on a machine with an NVIDIA card, in two calls of 6 minutes.
#
#	cudnn/run-on-gpu.sh --build DIR    puts all that it needs into DIR, for a machine without Go
#	DIR/run-on-gpu.sh 1 [FLAGS]        is it right, is it fast: bf16, beside PyTorch
#	DIR/run-on-gpu.sh 2 [FLAGS]        the other precisions, golden values, kill and resume
#
#	--report DIR       folder of report.txt and what belongs to it (gpu-report; $OUT if that is set)
#	--data CIFAR       folder of CIFAR-10's binary version, to train on; without it, generated shapes
#	--python PYTHON    a Python with PyTorch to compare with (python3)
#	--seconds N        time for the call (345); what no longer fits is left out
#
# Each part has a limit of its own and writes to the report at once, so that a call that is cut keeps
# what it has. --build needs the reference data, in LAMINA_GOLDEN or ../shared/golden/public.
# LAMINA_CUDA says where the libraries are, if neither the system nor PYTHON knows them.
set -uo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

usage() {
	sed -n '2,16s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"
	exit 2
}
call='' build='' data=shapes python=python3 report=${OUT:-gpu-report} seconds=345
while [ $# -gt 0 ]; do
	case $1 in
	1 | 2) call=$1; shift; continue ;;
	--build | --data | --python | --report | --seconds) [ $# -ge 2 ] || usage ;;
	*) usage ;;
	esac
	printf -v "${1#--}" %s "$2"
	shift 2
done

if [ -n "$build" ]; then
	set -e
	root=$here/..
	golden=${LAMINA_GOLDEN:-$root/../shared/golden/public}
	[ -d "$golden" ] || { echo "no reference data: set LAMINA_GOLDEN to its folder" >&2; exit 1; }
	mkdir -p "$build"
	build=$(cd "$build" && pwd)
	(cd "$root" && go build -tags cudnn -ldflags '-s -w' -o "$build/lamina" ./cmd/lamina &&
		go test -c -tags cudnn -ldflags '-s -w' -o "$build/cudnn.test" ./cudnn)
	rm -rf "$build/golden"
	cp -rL "$golden" "$build/golden"
	cp "$here/run-on-gpu.sh" "$here/peers.py" "$root/bench/peers/harness.py" "$build"
	du -sh "$build"
	exit
fi
[ -n "$call" ] || usage
[ -x "$here/lamina" ] && [ -x "$here/cudnn.test" ] && [ -d "$here/golden" ] ||
	{ echo "$here has no programs or no reference data: run cudnn/run-on-gpu.sh --build DIR, then DIR/run-on-gpu.sh" >&2; exit 1; }

mkdir -p "$report"
report=$(cd "$report" && pwd)
[ "$data" = shapes ] || data=$(realpath "$data")
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
text=$report/report.txt
if [ -z "${LAMINA_CUDA:-}" ]; then # where pip has put the libraries of PyTorch
	LAMINA_CUDA=$("$python" -c 'import nvidia, os; print(os.path.dirname(list(nvidia.__path__)[0]))' 2>/dev/null) || LAMINA_CUDA=''
fi
export here data python report scratch LAMINA_CUDA
export LAMINA_CARD=1 LAMINA_GOLDEN=$here/golden XDG_CACHE_HOME=$scratch/cache
export CUDNN_LOGLEVEL_DBG=1 CUDNN_LOGDEST_DBG=$report/cudnn.log # errors, with the reason
export TORCHINDUCTOR_CACHE_DIR=$scratch/inductor TRITON_CACHE_DIR=$scratch/triton
failed=0

say() { printf '%s\n' "$@" | tee -a "$text"; }
# part runs a function within a limit of seconds, and within those that are left of the call.
part() {
	local title=$1 limit=$2 begin=$SECONDS left=$((seconds - SECONDS)) status
	shift 2
	say "" "## $title"
	if [ $left -lt 5 ]; then
		say "**left out**: no time is left"
		failed=$((failed + 1))
		return
	fi
	timeout -k 3 "$((limit < left ? limit : left))" bash -uo pipefail -c '"$@"' - "$@" 2>&1 | tee -a "$text"
	status=${PIPESTATUS[0]}
	case $status in
	0) say "passed, $((SECONDS - begin)) s" ;;
	124 | 137) say "**cut** after $((SECONDS - begin)) s" ;;
	*) say "**failed** (exit $status), $((SECONDS - begin)) s" ;;
	esac
	[ "$status" -eq 0 ] || failed=$((failed + 1))
}

machine() {
	nvidia-smi --query-gpu=name,driver_version,memory.total,compute_cap,clocks.sm,clocks.max.sm,power.limit --format=csv
	echo "LAMINA_CUDA=$LAMINA_CUDA"
	"$here/lamina" version
}
train() { "$here/lamina" train --data "$data" --model vgg11 --weight-decay 0.0005 "$@"; }
# tests prints the sections of the suite as they begin, and what fails or is skipped with its name.
# go test prints the results of cases when all have ended, too late for a call that is cut. A second
# pattern says what to leave out.
tests() {
	local line name=''
	(cd "$here" && ./cudnn.test -test.short -test.v -test.run "$1" -test.skip "${2:-^$}") | while IFS= read -r line; do
		case $line in
		'=== RUN '*/*/*/* | '=== NAME'* | '=== CONT'*) name=$line ;;
		'            '*'--- PASS'*) ;; # of a case
		*---* | '=== '*) printf '%s\n' "$line" ;;
		*)
			[ -z "$name" ] || printf '%s\n' "$name"
			name=''
			printf '%s\n' "$line"
			;;
		esac
	done
}
bench() { env -u CUDNN_LOGLEVEL_DBG "$here/cudnn.test" -test.run '^$' -test.bench "^BenchmarkCard\$/^$1\$/^$2\$" -test.benchtime "$3"; }
torch() { "$python" "$here/peers.py" --models "$1" --precisions "$2" --steps "$3"; }
# profile lists each kernel of a training step with its time.
profile() {
	command -v ncu || { echo "no ncu: left out"; return 0; }
	ncu --clock-control none --metrics gpu__time_duration.sum --csv --page raw --launch-count 400 --log-file "$report/ncu.csv" \
		"$here/lamina" train --backend cudnn --data shapes --weight-decay 0.0005 --model vgg19 --precision bf16 \
		--limit 128 --val-limit 1 --batch 128 --epochs 1 --out "$scratch/ncu" | tail -n 3
}
sanitizer() {
	command -v compute-sanitizer || { echo "no compute-sanitizer: left out"; return 0; }
	compute-sanitizer --tool memcheck "$here/lamina" train --backend cudnn --data shapes --model vgg11 --precision bf16 \
		--limit 32 --val-limit 8 --batch 8 --epochs 1 --out "$scratch/sanitizer" | tail -n 20
}
# killed kills a deterministic run and resumes it, to the bits of one that was not killed. Checkpoints
# would differ: they record times.
killed() {
	local run flags=(--backend cudnn --deterministic --precision bf16 --limit 12800 --val-limit 256 --epochs 3)
	train "${flags[@]}" --out "$scratch/whole" --save "$scratch/whole.safetensors" || return
	train "${flags[@]}" --save-every 1s --out "$scratch/killed" --save "$scratch/killed.safetensors" &
	run=$!
	until [ -s "$scratch/killed/checkpoint.lamina" ]; do
		sleep 0.1
		kill -0 $run 2>/dev/null || return 1
	done
	kill -9 $run
	wait $run
	"$here/lamina" train --resume "$scratch/killed" && cmp "$scratch/whole.safetensors" "$scratch/killed.safetensors" &&
		echo "the same bits"
}
# moved continues a run of the CPU on the card, and the other way round.
moved() {
	local flags=(--limit 1280 --val-limit 256 --epochs 1)
	train "${flags[@]}" --backend cpu --out "$scratch/cpu" && train "${flags[@]}" --backend cudnn --out "$scratch/card" || return
	"$here/lamina" train --resume "$scratch/cpu" --backend cudnn --epochs 2 && "$here/lamina" train --resume "$scratch/card" --backend cpu --epochs 2 || return
	tail -n +1 "$scratch"/{cpu,card}/history.csv
}
algorithms() { cat "$XDG_CACHE_HOME/lamina/convolutions-cudnn.json"; }
export -f machine train tests bench torch profile sanitizer killed moved algorithms

say "" "# Call $call, $(date -u '+%F %T'), $(uname -srm)"
# Limits of a call add up to at most 345 s.
case $call in
1)
	part "machine" 10 machine
	part "trains: vgg11, bf16, two epochs" 45 train --backend cudnn --precision bf16 --limit 12800 --val-limit 256 --epochs 2 --verbose --out "$scratch/first"
	part "time of a step: vgg19, bf16, batch 128" 45 bench vgg19 bf16 3x
	# PyTorch compiles while the tests, which are not timed, have the card.
	timeout -k 3 110 bash -c 'torch vgg19 bf16 5' >"$report/torch-compile.log" 2>&1 &
	compiling=$!
	vgg='^TestCard$/^bf16$/^(Network|Conv2D|Dense|BatchNorm|SGD|SoftmaxLoss|Dropout|Dataset|Metrics|Tensors|NaN)$'
	part "conformance: bf16, what VGG needs" 50 tests "$vgg"
	part "conformance: bf16, all else" 30 tests '^TestCard$/^bf16$' "$vgg"
	part "conformance: bf16, algorithms as measured" 30 tests '^TestCardMeasured$/^bf16$/^Network$'
	wait $compiling
	part "PyTorch: vgg19, bf16, torch.compile, channels_last" 60 torch vgg19 bf16 200
	part "time of a step, again" 30 bench vgg19 bf16 3x
	part "kernels of a step" 40 profile
	part "algorithms as measured" 5 algorithms
	;;
2)
	part "golden" 30 tests '^TestCardGolden(Models)?$'
	part "conformance: fp32" 80 tests '^TestCard$/^fp32$'
	part "conformance: tf32" 40 tests '^TestCard$/^tf32$/^(Network|Conv2D|Dense)$'
	part "conformance: fp32 and tf32, algorithms as measured" 30 tests '^TestCardMeasured$/^(fp32|tf32)$/^Network$'
	part "kill and resume, deterministic" 45 killed
	part "trains: resnet20, bf16, an epoch" 20 "$here/lamina" train --backend cudnn --data "$data" --model resnet20 --precision bf16 \
		--limit 6400 --val-limit 256 --epochs 1 --out "$scratch/resnet"
	part "a run of the CPU continued on the card, and the other way round" 35 moved
	part "time of a step: vgg11, tf32 and bf16" 35 bench vgg11 '(tf32|bf16)' 2x
	part "memory errors" 30 sanitizer
	;;
esac
say "" "$failed parts failed or were cut, $SECONDS s"
[ $failed -eq 0 ]
