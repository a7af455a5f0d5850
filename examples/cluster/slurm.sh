#!/bin/sh
#SBATCH --job-name=lipschitz
#SBATCH --array=0-7
#SBATCH --cpus-per-task=4
#SBATCH --requeue
# One slice of the plan that `lipschitz sweep SPEC --plan-only --out plan` wrote, on a file system that every node sees.
set -e
slice=$SLURM_ARRAY_TASK_ID
exec lipschitz worker plan --slice "$slice/$SLURM_ARRAY_TASK_COUNT" --workers "${SLURM_CPUS_PER_TASK:-1}" --out "slices/$slice" --quiet
