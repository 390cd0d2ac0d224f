"""The classifiers of digits: their files, their data, and what is held out."""

from __future__ import annotations

import json
from importlib import import_module
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch

from ir_examples.classifiers import PIXELS, Classifier
from ir_examples.digits import TRAINING, Digits, Settings, accuracy, read_digits, scores_of, train

ROOT = TRAINING.parent
CLASSIFIERS = {"digits_convnext": 0.97, "digits_mixer": 0.97, "digits_resmlp": 0.95}
KINDS = ("resmlp", "mixer", "convnext")


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_accuracy_on_held_out_images(name):
    held_out = read_digits(ROOT / name / "reference.npz")
    told = json.loads((ROOT / name / "training.json").read_text())
    found = accuracy(scores_of(ROOT / name / "model.onnx", held_out.points), held_out.labels)
    assert found == pytest.approx(told["accuracy"])
    assert found >= CLASSIFIERS[name]


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_files_are_small_and_whole(name):
    model = onnx.load(ROOT / name / "model.onnx", load_external_data=False)
    onnx.checker.check_model(model)
    assert (ROOT / name / "model.onnx").stat().st_size <= 50_000
    shape = model.graph.input[0].type.tensor_type.shape.dim
    assert [dim.dim_param or dim.dim_value for dim in shape] == ["batch", PIXELS]


def test_nothing_held_out_is_trained_on():
    training = read_digits(TRAINING)
    known = {row.tobytes() for row in training.points}
    for name in CLASSIFIERS:
        held_out = read_digits(ROOT / name / "reference.npz")
        assert not any(row.tobytes() in known for row in held_out.points)
        assert len(held_out.points) + len(training.points) == 1797
    assert training.points.min() == 0.0
    assert training.points.max() == 1.0


@pytest.mark.parametrize("kind", KINDS)
def test_training_learns_which_classes_there_are(kind):
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, 128)
    images = rng.uniform(0, 0.4, (128, PIXELS)) + 0.6 * labels[:, None]
    digits = Digits(images, labels)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    network = Classifier(kind, channels=4, hidden=4, depth=1)
    train(network, digits, Settings(epochs=20, batch=32, shift=0))
    torch.set_num_threads(threads)
    with torch.no_grad():
        scores = network.eval()(torch.tensor(images, dtype=torch.float32)).numpy()
    assert np.isin(scores.argmax(axis=1), (0, 1)).all()


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_training_script_runs(name, tmp_path: Path, monkeypatch):
    pytest.importorskip("sklearn")
    threads = torch.get_num_threads()
    monkeypatch.setattr("sys.argv", ["train.py", "--quick", "--output", str(tmp_path)])
    import_module(f"ir_examples.{name}.train").main()
    torch.set_num_threads(threads)
    written = sorted(path.name for path in tmp_path.iterdir())
    assert written == ["model.onnx", "reference.npz", "training.json"]
    fresh, old = (read_digits(one / "reference.npz") for one in (tmp_path, ROOT / name))
    np.testing.assert_array_equal(fresh.points, old.points)
    np.testing.assert_array_equal(fresh.labels, old.labels)
