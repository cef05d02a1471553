#!/bin/bash
# A sweep on 2 nodes with 4 GPUs each: one process per GPU. Processes find each other through SLURM.
#
#   sbatch examples/slurm.sh scan.toml
#
# Submit it again after a time limit or a lost node: it goes on with the chunks that are not done. Several such jobs may
# also run at the same time on one store. `jaxnu sweep --config scan.toml --dry-run` tells points, memory and time first.
#SBATCH --job-name=jaxnu-sweep
#SBATCH --nodes=2
#SBATCH --ntasks-per-node=4
#SBATCH --gpus-per-node=4
#SBATCH --cpus-per-task=8
#SBATCH --time=12:00:00
#SBATCH --requeue
#SBATCH --no-kill

set -euo pipefail

# The directory must be on a file system that all nodes share. --no-kill, above for the job and here for the step, and
# --kill-on-bad-exit=0: a lost node or process does not end the others, which do its share. The job then counts as
# failed; if process 0 was lost, submit it again for the map.
srun --no-kill --kill-on-bad-exit=0 jaxnu sweep --config "$1" --output "${2:-jaxnu-sweep}"
