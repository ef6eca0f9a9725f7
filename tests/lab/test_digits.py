"""The digits' recipe: the same settings give the same weights bit for bit, and a run resumes as if never stopped."""

import numpy as np
import pytest

import minigrad as mg
from minigrad import data, lab, nn, optim, train

pytestmark = pytest.mark.processor


@pytest.mark.slow
def test_an_epoch_on_the_digits_is_the_same_twice_and_another_with_another_seed():
    runs = [lab.train_digits(lab.Settings(epochs=1, seed=s), progress=False) for s in (0, 0, 1)]
    a, b, c = (run.model.state_dict() for run in runs)
    assert all(np.array_equal(a[k], b[k]) for k in a)
    assert not np.array_equal(a["fc.weight"], c["fc.weight"])
    assert runs[0].records[0]["accuracy"] > 0.15  # 0.1 is chance


@pytest.mark.slow
def test_the_digits_resume_and_keep_an_average(tmp_path):
    settings = lab.Settings(epochs=2, average=0.9)
    whole = lab.train_digits(settings, progress=False)

    def stop(optimizer):
        if optimizer.steps == 5:
            raise RuntimeError("the lights went out")
        optim.Optimizer.zero_grad(optimizer)

    with pytest.MonkeyPatch.context() as patch, pytest.raises(RuntimeError, match="lights"):
        patch.setattr(optim.AdamW, "zero_grad", stop)
        lab.train_digits(settings, out=tmp_path, checkpoint_every=2, progress=False)
    run = lab.train_digits(settings, out=tmp_path, resume=True, progress=False)
    assert all(np.array_equal(a, b) for a, b in zip(run.model.state_dict().values(), whole.model.state_dict().values()))
    tested = train.evaluate(run.model, run.test)
    assert tested.accuracy == run.records[-1]["test_accuracy"]  # the average is what was tested, and what is left


@pytest.mark.slow
def test_the_training_step_shown_drops_no_block_and_its_draws_stand_ready():
    run = lab.train_digits(lab.Settings(epochs=1), progress=False)
    for module in run.model.modules():
        if isinstance(module, nn.StochasticDepth):
            module.p = 0.7
    step = lab.training_step(run)
    parameters = len(run.model.parameters())
    assert sum(node.kind == "parameter" for node in step.nodes) == parameters
    x, y = run.train.dataset[:4]
    mg.cross_entropy(run.model(x), y).backward()
    assert all(p.grad is not None for p in run.model.parameters())


@pytest.mark.slow
def test_the_support_vector_machine_scores_as_in_scikit_learns_example():
    assert round(lab.svm_accuracy(data.digits()), 4) == 0.9689
