"""The playground: surfaces, races that keep to their budget, and pictures and pages that show what was run."""

import json
import re
import runpy
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from matplotlib import _pylab_helpers
from PIL import Image

import minigrad as mg
from minigrad import data, optim
from minigrad.cli import main
from minigrad.lab import playground
from minigrad.lab.playground import OPTIMIZERS, SURFACES, Racer, race
from minigrad.lab.playground.pictures import spread

QUADRATIC = SURFACES["quadratic"]
RATES = {name: 0.01 for name, rule in OPTIMIZERS.items() if not isinstance(rule, str)}


@pytest.mark.parametrize("surface", SURFACES.values(), ids=SURFACES)
def test_surfaces_are_least_where_they_say(surface):
    low, high = np.array(surface.window)
    for minimum in surface.minima:
        assert (low < minimum).all() and (minimum < high).all()
        gradient = mg.grad(surface.f)(np.array(minimum, float)).data
        curvature = np.linalg.eigvalsh(mg.hessian(surface.f)(np.array(minimum, float)).data)
        assert np.abs(gradient).max() < 1e-4 and curvature.min() > 0
        assert surface.values(minimum) == pytest.approx(surface.least, abs=1e-9)
    grid = np.stack(np.meshgrid(*np.linspace(low, high, 60).T), axis=-1)
    assert surface.values(grid).shape == (60, 60) and surface.values(grid).min() >= surface.least
    assert (low < surface.start).all() and (surface.start < high).all()
    assert mg.gradcheck(surface.f, np.array(surface.start) + 0.1, order=2).ok


@pytest.mark.slow
@pytest.mark.parametrize("surface", ["quadratic", "noisy-bowl"])
def test_everyone_spends_at_most_the_budget_and_is_shown_without_noise(surface):
    surface = SURFACES[surface]
    tracks = race(surface, list(OPTIMIZERS), 30, rates=RATES)
    assert [t.label.partition(",")[0] for t in tracks] == list(OPTIMIZERS)
    for track in tracks:
        assert track.spent[0] == 0 and (np.diff(track.spent) > 0).all() and track.spent[-1] <= 30
        assert len(track.points) == len(track.spent) == len(track.losses)
        np.testing.assert_array_equal(track.points[0], surface.start)
        np.testing.assert_array_equal(track.losses, surface.values(track.points))
        if track.label.startswith(tuple(RATES)):
            np.testing.assert_array_equal(track.spent, range(31))


def test_evaluations_of_second_order_are_all_counted(monkeypatch):
    calls = []
    f = QUADRATIC.f
    counted = QUADRATIC._replace(f=lambda x: calls.append(0) or f(x))
    tracks = race(counted, ["bfgs"], 100)
    drawn = 2  # `values` evaluates once for the whole track, `least` is not asked for
    assert len(calls) - drawn <= tracks[0].spent[-1] <= len(calls) + 2  # gradients, and the product of the first scale


def test_sgd_on_the_quadratic_is_the_closed_form():
    (track,) = race(QUADRATIC, [Racer("SGD", optim.SGD, 0.03)], 25)
    t = np.arange(26)
    expected = np.stack([-9 * (1 - 0.03) ** t, 2 * (1 - 0.03 * 20) ** t], axis=-1)
    np.testing.assert_allclose(track.points, expected, rtol=1e-12)


@pytest.mark.slow
def test_the_rate_of_a_name_is_the_best_of_the_grid_that_stays_in_sight():
    best, *others = race(QUADRATIC, ["sgd", *(Racer(f"{lr}", optim.SGD, lr) for lr in (0.02, 0.05, 0.1, 0.2))], 40)
    assert best.label == "sgd, lr 0.05" and best.losses[-1] == min(t.losses[-1] for t in others)
    assert len(others[-1].points) < 41  # lr 0.2 explodes, and stops


def test_the_same_seed_gives_the_same_noise_to_all():
    bowl, sgd = SURFACES["noisy-bowl"], Racer("SGD", optim.SGD, 0.1)
    first, again, momentum = race(bowl, [sgd, sgd, Racer("momentum", optim.Momentum, 0.1)], 20)
    other = race(bowl, [sgd], 20, seed=1)[0]
    np.testing.assert_array_equal(first.points, again.points)
    np.testing.assert_array_equal(first.points[1], momentum.points[1])  # its first step is SGD's
    assert not np.array_equal(first.points, other.points)
    noise = (first.points[1] - bowl.start) / -0.1 - mg.grad(bowl.f)(np.array(bowl.start)).data
    assert 0 < np.abs(noise).max() < 4 * bowl.noise


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"racers": ["sdg"]}, "'sdg' is none of sgd, momentum"),
        ({"racers": ["sgd"], "rates": {"adam": 0.1}}, "a rate is given for adam"),
        ({"racers": ["bfgs"], "rates": {"bfgs": 0.1}}, "a rate is given for bfgs"),
        ({"racers": ["sgd"], "budget": 0}, "budget is 0"),
    ],
)
def test_bad_races_are_refused(arguments, said):
    with pytest.raises(ValueError, match=said):
        race(QUADRATIC, **arguments)


@pytest.mark.slow
def test_pictures_show_the_tracks_and_touch_no_global_state(tmp_path):
    tracks = race(QUADRATIC, ["sgd", "adam", "newton"], 30, rates={"sgd": 0.05, "adam": 0.5})
    over = playground.paths(QUADRATIC, tracks, tmp_path / "paths.png")
    against = playground.losses(QUADRATIC, tracks, tmp_path / "losses.png")
    drawn = [line.get_xydata() for line in over.axes[0].lines]
    for track in tracks:
        assert any(np.array_equal(track.points, line) for line in drawn)
        assert any(np.array_equal(line.get_xdata(), track.spent) for line in against.axes[0].lines)
    for figure in (over, against):
        assert {t.get_text() for t in figure.axes[0].texts} == {"sgd, lr 0.05", "adam, lr 0.5", "newton"}
        assert len({t.get_color() for t in figure.axes[0].texts}) == 3
    assert all((tmp_path / name).read_bytes().startswith(b"\x89PNG") for name in ("paths.png", "losses.png"))
    assert not _pylab_helpers.Gcf.figs


def test_labels_are_spread_in_order_and_stay_inside():
    heights = spread([0.0, 0.01, 0.02, 0.9], 0.1, 0.0, 1.0)
    assert sorted(heights) == heights and (np.diff(heights) > 0.099).all()
    assert heights[0] >= 0 and heights[-1] <= 1.0 and abs(heights[-1] - 0.9) < 1e-9
    assert spread([0.5], 0.1, 0, 1) == [0.5]


class Tags(HTMLParser):
    def __init__(self):
        super().__init__()
        self.links, self.ids = [], set()

    def handle_starttag(self, tag, attrs):
        named = dict(attrs)
        self.links += [named[k] for k in ("src", "href") if k in named]
        self.ids.add(named.get("id"))


@pytest.mark.slow
def test_animations(tmp_path):
    hostile = SURFACES["beale"]._replace(name="</script><b>")
    tracks = race(hostile, [Racer("</script>", optim.SGD, 0.01), "newton"], 8)
    page = playground.animate(hostile, tracks, tmp_path / "race.html").read_text(encoding="utf-8")
    tags = Tags()
    tags.feed(page)
    assert (
        all(link.startswith("data:image/png;base64,") for link in tags.links)
        and "<b>" not in page.partition("<script>")[0]
    )
    told = json.loads(re.search(r"const tracks = (.*), last = ", page).group(1))
    assert [t["label"] for t in told] == ["</script>", "newton"] and told[0]["spent"] == list(range(9))
    low, high = np.array(hostile.window)
    x, y = np.array(told[0]["points"][0]) / [1000, 720]
    np.testing.assert_allclose([low[0] + x * (high - low)[0], high[1] - y * (high - low)[1]], hostile.start, atol=0.01)
    assert page.count("</script>") == 1 and len(page) < 300_000

    with Image.open(playground.animate(hostile, tracks, tmp_path / "race.gif")) as frames:
        first = np.asarray(frames.convert("RGB")).copy()
        frames.seek(frames.n_frames - 1)
        assert frames.n_frames > 8 and not np.array_equal(first, np.asarray(frames.convert("RGB")))
    with pytest.raises(ValueError, match="must end in"):
        playground.animate(hostile, tracks, tmp_path / "race.mp4")


@pytest.mark.slow
@pytest.mark.parametrize("name", playground.LECTURE)
def test_the_lectures_pictures(name, tmp_path):
    figure = playground.LECTURE[name](tmp_path / "a.png")
    assert len(figure.axes) == 2 and all(axes.lines for axes in figure.axes)
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.slow
def test_what_the_lecture_says_of_its_pictures_is_so():
    tracks = {
        name: race(scene.surface, scene.racers, scene.budget) for name, scene in playground.lecture.SCENES.items()
    }
    zigzag = tracks["zigzag"][0].points[:, 1]
    assert (zigzag[1:] * zigzag[:-1] < 0).all()  # from one side to the other, at every step
    sgd, momentum, rmsprop, trust = tracks["saddle"]
    waits = [int((t.losses > t.losses.min() + 0.2).sum()) for t in (sgd, momentum, rmsprop, trust)]
    assert waits[0] > 2 * waits[1] > 2 * waits[2]
    wander, _, arrives = (np.ptp(t.points[-50:], axis=0).max() for t in tracks["noise"])
    assert wander > 5 * arrives
    adagrad, rmsprop = (np.linalg.norm(np.diff(t.points, axis=0), axis=1) for t in tracks["adagrad"])
    assert (np.diff(adagrad) < 0).all() and rmsprop[60] > 1.5 * adagrad[60]
    corrected, raw = (np.linalg.norm(t.points[1] - t.points[0]) for t in tracks["adam"])
    assert raw / corrected == pytest.approx(0.1 / np.sqrt(0.001), rel=1e-6)
    sgd, bfgs, newton = tracks["bfgs"]
    assert sgd.losses[-1] > 1 and bfgs.losses[-1] < 1e-12 and newton.losses[-1] < 1e-12


def run(*args, code=0):
    result = CliRunner().invoke(main, ["playground", *map(str, args)])
    assert result.exit_code == code, result.output
    return " ".join(result.output.replace("│", " ").split())


@pytest.mark.slow
def test_the_command(tmp_path):
    said = run("saddle", "--optimizers", "sgd,newton", "--lr", "sgd=0.1", "--budget", 20, "--start", 1, 0.5, "--animate",
               "html", "--out", tmp_path)  # fmt: skip
    assert {p.name for p in tmp_path.iterdir()} == {"saddle-paths.png", "saddle-losses.png", "saddle.html"}
    assert "sgd, lr 0.1" in said and "after 20 evaluations" in said and "saddle.html" in said
    assert "himmelblau" in run() and "trust-ncg" in run()
    assert "is none of quadratic" in run("nowhere", code=2)
    assert "NAME=RATE" in run("saddle", "--lr", "sgd:0.1", code=2)
    assert "is none of sgd" in run("saddle", "--optimizers", "sgd,nobody", "--out", tmp_path, code=1)


@pytest.mark.slow
def test_the_command_draws_the_lecture(tmp_path, monkeypatch):
    monkeypatch.setattr(playground, "LECTURE", {"steps": playground.LECTURE["steps"]})
    assert "steps.png" in run("--lecture", "--out", tmp_path) and (tmp_path / "steps.png").exists()


@pytest.mark.slow
def test_the_example_runs(tmp_path, capsys):
    example = runpy.run_path(str(Path(__file__).parents[2] / "examples" / "playground.py"))
    tracks = example["main"]("quadratic", tmp_path)
    assert len(tracks) == 4 and "lbfgs" in capsys.readouterr().out and len(list(tmp_path.iterdir())) == 3


@pytest.mark.slow
def test_the_example_lbfgs_or_adam_runs(tmp_path, capsys, monkeypatch):
    few = data.Split(*(data.Dataset(part.x[:64], part.y[:64]) for part in data.digits()))
    monkeypatch.setattr(data, "digits", lambda: few)
    example = runpy.run_path(str(Path(__file__).parents[2] / "examples" / "lbfgs_or_adam.py"))
    monkeypatch.setitem(example["main"].__globals__, "_settle", lambda net, x: None)  # takes most of the time
    found = example["main"](tmp_path, budget=2)
    assert len(found) == 6 and capsys.readouterr().out.count("\n") == 8 and (tmp_path / "lbfgs_or_adam.png").exists()
    for spent, seconds, losses, accuracy in found.values():
        assert 2 <= spent[-1] < 30 and len(spent) == len(seconds) == len(losses) and 0 < accuracy < 1
        assert losses[-1] < losses[0]
