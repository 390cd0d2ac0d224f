"""All passes by name. A new pass is one file here and one line in this table."""

PASSES: dict[str, str] = {
    "fold-constants": "pinnir.passes.fold_constants:FoldConstants",
    "drop-identity": "pinnir.passes.drop_identity:DropIdentity",
    "fuse-affine": "pinnir.passes.fuse_affine:FuseAffine",
    "fuse-activations": "pinnir.passes.fuse_activations:FuseActivations",
    "split-host": "pinnir.passes.split_host:SplitHost",
    "gather-synapses": "pinnir.passes.gather_synapses:GatherSynapses",
    "anticipate-rounding": "pinnir.passes.anticipate_rounding:AnticipateRounding",
    "balance-thresholds": "pinnir.passes.balance_thresholds:BalanceThresholds",
    "split-thresholds": "pinnir.passes.split_thresholds:SplitThresholds",
    "fit-neurons": "pinnir.passes.fit_neurons:FitNeurons",
    "quantise-activations": "pinnir.passes.quantise_activations:QuantiseActivations",
    "refit": "pinnir.passes.refit:Refit",
    "distill": "pinnir.passes.distill:Distill",
    "calibrate-light": "pinnir.passes.calibrate_light:CalibrateLight",
    "calibrate-advanced": "pinnir.passes.calibrate_advanced:CalibrateAdvanced",
    "fixed-point": "pinnir.passes.fixed_point:FixedPoint",
    "lower": "pinnir.passes.lower:Lower",
    "refit-spikes": "pinnir.passes.refit_spikes:RefitSpikes",
    "split-signs": "pinnir.passes.split_signs:SplitSigns",
    "legalise": "pinnir.passes.legalise:Legalise",
}
