// The transport: the walk over the tape, forward and then back, one operation at a time. It says where the walk is and
// how many bytes the tape keeps there.

import { useEffect } from "preact/hooks";
import { bytes } from "./format";
import type { Model } from "./model";
import { get, goTo, model, play, set, useStore } from "./store";
import { keptAt, placeText, walkOf } from "./walk";

const SPEEDS = [0.5, 1, 2, 4, 8, 16, 64];

const ICONS = {
  first: "M5 4v12M15 4.5v11L7 10z",
  previous: "M13 4.5v11L5 10z",
  play: "M6 4v12l10-6z",
  pause: "M7 4v12M13 4v12",
  next: "M7 4.5v11l8-5.5z",
  last: "M15 4v12M5 4.5v11l8-5.5z",
};

function Button({ icon, label, keys, onClick, disabled, primary }: {
  icon: keyof typeof ICONS; label: string; keys?: string; onClick: () => void; disabled?: boolean; primary?: boolean;
}) {
  return (
    <button type="button" class={primary ? "primary" : ""} onClick={() => !disabled && onClick()} aria-disabled={disabled} aria-label={label}
      title={keys ? `${label} (${keys.replace("Arrow", "").replace("Right", "→").replace("Left", "←")})` : label} aria-keyshortcuts={keys}>
      <svg viewBox="0 0 20 20" width="20" height="20" aria-hidden="true"><path d={ICONS[icon]} /></svg>
    </button>
  );
}

/** Shift with an arrow, Home, End or the space bar moves the walk, wherever the focus is. */
function onKey(event: KeyboardEvent): void {
  if (!event.shiftKey || event.altKey || event.ctrlKey || event.metaKey) return;
  if ((event.target as Element | null)?.closest?.("input:not([type=range]), textarea, select, dialog")) return;
  const { step } = get();
  const { forward, back } = walkOf(model());
  const moves: Record<string, () => void> = {
    ArrowRight: () => goTo(step + 1), ArrowLeft: () => goTo(step - 1),
    Home: () => goTo(-forward.length), End: () => goTo(back.length), " ": () => play(),
  };
  const move = moves[event.key];
  if (!move) return;
  event.preventDefault();
  event.stopPropagation();
  move();
}

export function Transport() {
  const m = useStore(model);
  const step = useStore((s) => s.step);
  const playing = useStore((s) => s.playing);
  const speed = useStore((s) => s.speed);
  const { forward, back } = walkOf(m);
  const [start, end] = [-forward.length, back.length];

  useEffect(() => {
    document.addEventListener("keydown", onKey, true);
    return () => document.removeEventListener("keydown", onKey, true);
  }, []);

  useEffect(() => {
    if (!playing) return;
    const each = Math.max(1, Math.round(speed / 16)); // moves at a tick, so that ticks stay apart
    const timer = setInterval(() => goTo(Math.min(get().step + each, back.length)), (1000 * each) / speed);
    return () => clearInterval(timer);
  }, [playing, speed, m]);

  return (
    <section class="transport" aria-label="The walk over the tape">
      <div class="buttons" role="group" aria-label="Move">
        <Button icon="first" label="First" keys="Shift+Home" disabled={step <= start} onClick={() => goTo(start)} />
        <Button icon="previous" label="Step back" keys="Shift+ArrowLeft" disabled={step <= start} onClick={() => goTo(step - 1)} />
        <Button icon={playing ? "pause" : "play"} label={playing ? "Pause" : "Play"} keys="Shift+Space" primary onClick={() => play()} />
        <Button icon="next" label="Step forward" keys="Shift+ArrowRight" disabled={step >= end} onClick={() => goTo(step + 1)} />
        <Button icon="last" label="Last" keys="Shift+End" disabled={step >= end} onClick={() => goTo(end)} />
        <label class="speed">
          <span class="sr">Speed, operations a second</span>
          <select value={String(speed)} onChange={(e) => set({ speed: Number(e.currentTarget.value) })}>
            {SPEEDS.map((s) => <option key={s} value={String(s)}>{s}/s</option>)}
          </select>
        </label>
      </div>
      <Scrubber m={m} step={step} />
      <Memory m={m} step={step} />
    </section>
  );
}

function Scrubber({ m, step }: { m: Model; step: number }) {
  const { forward, back } = walkOf(m);
  const all = forward.length + back.length || 1;
  const turn = (100 * forward.length) / all;
  const now = (100 * (forward.length + step)) / all;
  const place = placeText(m, step);
  return (
    <div class="scrubber">
      <div class="place" aria-hidden="true">{place}</div>
      <div class="track">
        <Profile m={m} now={now} />
        <span class="half forward" style={{ width: `${turn}%` }} />
        <span class="half back" style={{ width: `${100 - turn}%` }} />
        <span class="done" style={{ width: `${now}%` }} />
        <input type="range" min={-forward.length} max={back.length} value={step} aria-label="Place in the walk" aria-valuetext={`${place}, memory ${bytes(keptAt(m, step))}`}
          onInput={(e) => goTo(Number(e.currentTarget.value))} />
      </div>
      <div class="halves">
        <button type="button" style={{ width: `${turn}%` }} onClick={() => goTo(-forward.length)} title="To the beginning of the way forward">forward</button>
        <button type="button" style={{ width: `${100 - turn}%` }} onClick={() => goTo(0)} title="To where the way back begins">back</button>
      </div>
    </div>
  );
}

/** Bytes kept over the whole walk, as a small curve behind the scrubber. */
function Profile({ m, now }: { m: Model; now: number }) {
  const { kept, peak } = walkOf(m);
  const n = kept.length - 1 || 1;
  const stride = Math.max(1, Math.ceil(n / 400));
  let d = "M0 100";
  for (let t = 0; t < kept.length; t += stride) {
    const top = 100 - (100 * kept[t]) / (peak || 1);
    d += `L${((100 * t) / n).toFixed(2)} ${top.toFixed(1)}`;
  }
  d += `L100 ${(100 - (100 * kept[kept.length - 1]) / (peak || 1)).toFixed(1)}L100 100z`;
  return (
    <svg class="profile" viewBox="0 0 100 100" preserveAspectRatio="none" aria-hidden="true">
      <path d={d} />
      <line x1={now} x2={now} y1="0" y2="100" vector-effect="non-scaling-stroke" />
    </svg>
  );
}

function Memory({ m, step }: { m: Model; step: number }) {
  const { peak } = walkOf(m);
  const kept = keptAt(m, step);
  return (
    <div class="memory" role="meter" aria-label="Bytes that the tape keeps" aria-valuemin={0} aria-valuemax={peak || 1} aria-valuenow={kept}
      aria-valuetext={`${bytes(kept)} of ${bytes(peak)}`} title={`${kept} of at most ${peak} bytes: what the tape keeps for the way back`}>
      <span class="text">
        <span class="dim">kept</span> <b data-value={kept} data-at="memory">{bytes(kept)}</b> <span class="of">of {bytes(peak)}</span>
      </span>
      <span class="bar"><span style={{ width: `${peak ? (100 * kept) / peak : 0}%` }} /></span>
    </div>
  );
}
