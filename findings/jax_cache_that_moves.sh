#!/usr/bin/env bash
# JAX 0.10.2, CPU: a persistent compilation cache that has been copied to another folder is missed.
#
# With default settings the key of an entry depends on the path of the cache, through an option of XLA that holds the
# folder of XLA's own caches beside it. So a cache that a container, a cluster job or a CI run finds at another path is
# compiled anew, and grows, without a message. With jax_persistent_cache_enable_xla_caches="none" the copy is hit.
#
# Seen: jax 0.10.2 and jaxlib 0.10.2 on Linux x86-64, Python 3.11: "same folder: hit; copied folder: missed; copied
# folder without XLA's caches: hit". Fails if that changes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet "jax==0.10.2" "jaxlib==0.10.2"
cat > "$folder/compile.py" <<'PYTHON'
import sys

import jax
import jax.numpy as jnp

hits = []
jax.monitoring.register_event_listener(
    lambda event, **_: hits.append(event) if event == "/jax/compilation_cache/cache_hits" else None
)
jax.config.update("jax_compilation_cache_dir", sys.argv[1])
jax.config.update("jax_persistent_cache_min_compile_time_secs", 0)
jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)
if sys.argv[2] == "none":
    jax.config.update("jax_persistent_cache_enable_xla_caches", "none")
x = jnp.ones((3, 3))
hits.clear()
jax.jit(lambda x: jnp.sin(x) @ x + 1)(x).block_until_ready()
print("hit" if hits else "missed")
PYTHON
run() { JAX_PLATFORMS=cpu "$folder/venv/bin/python" "$folder/compile.py" "$1" "$2"; }
run "$folder/one" default > /dev/null
same=$(run "$folder/one" default)
cp -r "$folder/one" "$folder/two"
copied=$(run "$folder/two" default)
run "$folder/three" none > /dev/null
cp -r "$folder/three" "$folder/four"
without=$(run "$folder/four" none)
seen="same folder: $same; copied folder: $copied; copied folder without XLA's caches: $without"
echo "$seen"
[ "$seen" = "same folder: hit; copied folder: missed; copied folder without XLA's caches: hit" ]
