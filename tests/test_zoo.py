"""One network of every third-party family, where they are there: what of it spikes."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

import pinnir
from benchmarks.common import MODELS

RTOL = 5e-2
FOLDER = Path(os.environ.get(MODELS, "")) / "zoo"
pytestmark = pytest.mark.skipif(MODELS not in os.environ, reason=f"{MODELS} is not set")

# Share of the multiply-accumulates that spikes take over, and the program's segments; a host part
# before the first core prepares the inputs.
CORE, FEATURES, TRANSFORM = ("core.1",), ("host.0", "core.1"), ("core.1", "host.2")
SHARES: dict[str, tuple[float, tuple[str, ...]]] = {
    "adaptive_tanh_laaf__dynamo": (1, CORE),
    "adaptive_tanh_naaf__ts": (1, CORE),
    "dde_deeponet_cartesian_3out__dynamo": (0.9862, ("core.1", "core.2", "host.3", "host.4")),
    "dde_fnn_gelu__ts": (1, CORE),
    "dde_fnn_selu__dynamo": (1, CORE),
    "dde_fnn_sin__ts": (1, CORE),
    "dde_fnn_swish__dynamo": (1, CORE),
    "dde_fnn_tanh__ts": (1, CORE),
    "dde_mionet__dynamo": (0.9846, ("core.1", "core.2", "host.3")),
    "dde_pfnn__ts": (1, CORE),
    "dde_tf1_fnn__tf2onnx": (1, CORE),
    "dde_tf1_resnet__tf2onnx": (1, CORE),
    "dde_tf1_stmsffn__tf2onnx": (0.9458, ("host.0", "core.1", "host.2")),
    "flax_mlp_gelu__jax2onnx": (1, CORE),
    "flax_mlp_silu__jax2onnx": (1, CORE),
    "flax_mlp_tanh__jax2onnx": (1, CORE),
    "fourier_feature_mlp__ts": (0.9898, FEATURES),
    "hard_constraint__dynamo": (0.9991, TRANSFORM),
    "mlp_elu__ts": (1, CORE),
    "mlp_gaussian__dynamo": (1, CORE),
    "mlp_input_norm__ts": (1, CORE),
    "mlp_relu__dynamo": (1, CORE),
    "mlp_sigmoid__ts": (1, CORE),
    "mlp_silu_opset24__dynamo": (1, CORE),
    "mlp_softplus__dynamo": (1, CORE),
    "mlp_tanh__ts": (1, CORE),
    "mlp_tanh_f64__dynamo": (1, CORE),
    "mlp_xt_concat__ts": (1, CORE),
    "modified_mlp__dynamo": (
        0.9091,
        tuple(f"{'host' if i % 2 == 0 else 'core'}.{i}" for i in range(1, 7)),
    ),
    "physicsnemo_export_to_onnx_stream__native": (1, CORE),
    "physicsnemo_fullyconnected_adaptive_skip_wn__ts": (1, CORE),
    "physicsnemo_fullyconnected_silu__dynamo": (1, CORE),
    "physicsnemo_fullyconnected_tanh__ts": (1, CORE),
    "pina_adaptive_siren__dynamo": (1, CORE),
    "pina_adaptive_tanh__ts": (1, CORE),
    "pina_fourier_embed__dynamo": (0.9898, FEATURES),
    "pina_periodic_embed__ts": (1, FEATURES),
    "pinnsformer_wavelet_mlp__dynamo": (1, CORE),
    "piratenet__ts": (0.9662, tuple(f"{'host' if i % 2 == 0 else 'core'}.{i}" for i in range(10))),
    "pykan_2_5_1__dynamo": (1, CORE),
    "pykan_2_5_1__ts": (1, CORE),
    "spinn2d__dynamo": (0.9969, ("core.1", "core.2", "host.3")),
    "xpinn_two_subdomains__ts": (1, TRANSFORM),
}


@pytest.mark.parametrize("name", SHARES)
def test_family(name: str) -> None:
    program = pinnir.compile(FOLDER / f"{name}.onnx", "-1:1", rtol=RTOL, effort=1)
    share, labels = SHARES[name]
    assert program.metrics["rel_l2"] <= RTOL
    assert program.metrics["core_mac_share"] == pytest.approx(share, abs=1e-4)
    assert tuple(segment.label for segment in program.segments) == labels


def test_every_family_is_listed() -> None:
    """Each was exported in one way or several; a sine network of high frequency takes minutes."""
    families = {path.stem.rpartition("__")[0] for path in FOLDER.glob("*.onnx")}
    listed = {name.rpartition("__")[0] for name in SHARES}
    assert families - listed == {"siren", "flax_mlp_swish_nnx"}
