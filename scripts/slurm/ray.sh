#!/bin/bash
# A run on all GPUs of an allocation: Ray starts on every node, the run on the first one, and all of it ends with the job.
#
#   sbatch --nodes=8 --gpus-per-node=8 scripts/slurm/ray.sh --recipe selfcodealign --model Qwen/CodeQwen1.5-7B
#
# A node that is lost costs the calls in flight there. The journal is on the first node's disk, copied to COPY every
# SAVE_SECONDS and at the end; the same command goes on from it.
#
# COPY: the journal's copy on a shared folder (./journal.sqlite). SCA_PYTHON: the Python of the virtual environment.
#SBATCH --job-name=sca-hf-ray
#SBATCH --nodes=2
#SBATCH --ntasks-per-node=1
#SBATCH --gpus-per-node=8
#SBATCH --exclusive
#SBATCH --signal=B:TERM@120
set -euo pipefail

PYTHON=${SCA_PYTHON:-.venv/bin/python}
RAY=$(dirname "$PYTHON")/ray
COPY=${COPY:-journal.sqlite}
PORT=${RAY_PORT:-6379}
GPUS=${SLURM_GPUS_ON_NODE:-0}
HEAD=$(hostname)
ADDRESS=$(hostname --ip-address | awk '{print $1}'):$PORT
FOLDER=$(mktemp -d "${SLURM_TMPDIR:-${TMPDIR:-/tmp}}/sca-hf-ray.XXXXXX")
JOURNAL=$FOLDER/journal.sqlite
export RAY_USAGE_STATS_ENABLED=0

if [ -e "$COPY" ]; then cp "$COPY" "$JOURNAL"; fi

save() { if [ -e "$JOURNAL" ]; then "$PYTHON" -m sca_hf.journal copy "$JOURNAL" "$COPY"; fi; }

"$RAY" start --head --port="$PORT" --num-gpus="$GPUS" --include-dashboard=false --disable-usage-stats
if [ "$SLURM_JOB_NUM_NODES" -gt 1 ]; then
    srun --nodes=$((SLURM_JOB_NUM_NODES - 1)) --ntasks=$((SLURM_JOB_NUM_NODES - 1)) --exclude="$HEAD" \
        "$RAY" start --address="$ADDRESS" --num-gpus="$GPUS" --disable-usage-stats --block &
fi

RAY_ADDRESS=$ADDRESS "$PYTHON" -m sca_hf.run "$@" --set engine.kind=ray \
    --set "engine.replicas=${REPLICAS:-$((SLURM_JOB_NUM_NODES * GPUS))}" --set "run.journal=$JOURNAL" &
RUN=$!
(while sleep "${SAVE_SECONDS:-300}"; do save; done) &
SAVING=$!
trap 'kill -TERM "$RUN" 2>/dev/null || true' TERM INT
STATUS=0
wait "$RUN" || STATUS=$?
if kill -0 "$RUN" 2>/dev/null; then wait "$RUN" || STATUS=$?; fi
kill "$SAVING" 2>/dev/null || true
save
"$RAY" stop >/dev/null 2>&1 || true
rm -rf "$FOLDER"
exit "$STATUS"
