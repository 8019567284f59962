#!/bin/bash
# A run as an array job: task I makes the calls of part I into a journal on its node's disk, which is copied to a shared
# folder every SAVE_SECONDS and at the end. A task that is preempted, killed or requeued goes on from its copy.
#
#   sbatch --array=1-8 scripts/slurm/parts.sh --recipe selfcodealign --model Qwen/CodeQwen1.5-7B --store /shared/store
#
# Then, on a node of the same kind (who answered is part of an answer):
#
#   python -m sca_hf.journal merge $PARTS/*.sqlite --into /tmp/journal.sqlite
#   python -m sca_hf.run …the same arguments… --set run.journal=/tmp/journal.sqlite
#
# PARTS: the shared folder of the copies (./parts). SCA_PYTHON: the Python of the virtual environment (.venv/bin/python).
#SBATCH --job-name=sca-hf-part
#SBATCH --nodes=1
#SBATCH --ntasks=1
#SBATCH --gpus-per-task=1
#SBATCH --cpus-per-task=8
#SBATCH --requeue
#SBATCH --signal=B:TERM@120
set -euo pipefail

PYTHON=${SCA_PYTHON:-.venv/bin/python}
PARTS=${PARTS:-parts}
NUMBER=$((SLURM_ARRAY_TASK_ID - SLURM_ARRAY_TASK_MIN + 1))
COUNT=$SLURM_ARRAY_TASK_COUNT
FOLDER=$(mktemp -d "${SLURM_TMPDIR:-${TMPDIR:-/tmp}}/sca-hf-part.XXXXXX")
JOURNAL=$FOLDER/journal.part-$NUMBER-of-$COUNT.sqlite
COPY=$PARTS/$(basename "$JOURNAL")

mkdir -p "$PARTS"
if [ -e "$COPY" ]; then cp "$COPY" "$JOURNAL"; fi

save() { if [ -e "$JOURNAL" ]; then "$PYTHON" -m sca_hf.journal copy "$JOURNAL" "$COPY"; fi; }

"$PYTHON" -m sca_hf.run "$@" --set "run.journal=$FOLDER/journal.sqlite" --part "$NUMBER/$COUNT" &
RUN=$!
(while sleep "${SAVE_SECONDS:-300}"; do save; done) &
SAVING=$!
# A signal ends `wait`; what is finished by then is saved.
trap 'kill -TERM "$RUN" 2>/dev/null || true' TERM INT
STATUS=0
wait "$RUN" || STATUS=$?
if kill -0 "$RUN" 2>/dev/null; then wait "$RUN" || STATUS=$?; fi
kill "$SAVING" 2>/dev/null || true
save
rm -rf "$FOLDER"
exit "$STATUS"
