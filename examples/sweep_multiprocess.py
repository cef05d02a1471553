"""Two processes sweep one likelihood into one store; the map is drawn from it. On a cluster see slurm.sh.

Reduced for speed: 60 energy nodes, 8 shells, 12 × 12 points. Writes sweep_multiprocess.zarr and sweep_multiprocess.png.
"""

import socket
import subprocess
import sys

import jax
import numpy as np
import xarray as xr

import jaxnu
from jaxnu.plotting import map_figure
from jaxnu.scan import ProfileLikelihood, make_map, start_processes

STORE = "sweep_multiprocess.zarr"
AXES = {"mass": np.geomspace(1.0, 20.0, 12), "coupling": np.geomspace(1e-5, 1e-1, 12)}


def work(coordinator, processes, process):
    """What every process does: join the others, and sweep."""
    jax.config.update("jax_enable_x64", True)
    start_processes(coordinator, processes, process)
    terms = (jaxnu.load("icecube-cascades-6yr"), jaxnu.load("icecube-tracks-9.5yr"))
    function = ProfileLikelihood(terms, jaxnu.Resolution(nodes=60, shells=8))
    print(f"process {process}: {jaxnu.sweep(function, AXES, STORE, chunk=24, progress=False)}")


def main():
    """Start two of them on this machine, wait, and draw."""
    with socket.socket() as free:
        free.bind(("localhost", 0))
        coordinator = f"localhost:{free.getsockname()[1]}"
    runs = [subprocess.Popen([sys.executable, __file__, coordinator, "2", str(process)]) for process in range(2)]
    codes = [run.wait() for run in runs]
    if any(codes):
        sys.exit("a process has failed")
    with xr.open_zarr(STORE) as data:
        found = make_map(data, "mass", "coupling")
    map_figure(found).savefig("sweep_multiprocess.png", dpi=150)
    print(", ".join(f"{name} {value:.3g}" for name, value in found.best.items()))


if __name__ == "__main__":
    if len(sys.argv) > 1:
        work(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
    else:
        main()
