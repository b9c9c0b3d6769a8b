"""The doctor's benchmark: faults that are staged and certified harmful, and healthy runs that look ill.

`python -m benchmarks.doctor` trains each case (seconds), has the doctor look at it as `foveal diagnose` does, and
says how often the root cause comes first, how often anything useful is said, how often a healthy run is alarmed at,
and what the cures bring back. See `__main__` for its options.

- `rows` holds what a case is and the sound settings (bases); `faults/` and `controls/` hold the cases as tables,
  `strangers/` those of each author who had not read the rules, with their data, networks and faults in code.
- `pictures`, `networks` and `patches` make the data, the networks, and the faults in code.
- `certificates.json` says for each fault what it costs: three seeds with it and three of its sound twin, the
  difference of the test scores with its 95 % interval (Welch), Cohen's d. A fault whose interval holds 0, or that
  costs less than two points, is left out. For each control it says the score beside the best of its group, which
  are all sound runs on the same data; a control more than five points below is left out. Rows that were changed
  since have no certificate until `--certify` makes it.
- Staged and taken out, as they cost nothing: a sigmoid at the end of a network with norms; the softmax over the batch
  where nothing normalises (SGD); a square root at 0 under AdamW; the sum for the mean, and shades 0 to 255, in
  LeNet-5 under AdamW; blue first for pretrained weights under a new head; mirrored twins among the test pictures;
  attention over the batch where a path leads round it (AdamW). A second schedule that lifts the rate late cost too
  little to be sure.
- A fault may have more than one right name; its row lists them (`roots`). Rows marked `held_out` (*) use other data,
  networks and seeds; their figures are told apart, and no threshold was chosen on
  them. But which of them were missed was known when rules were added for mistaken labels and for test pictures that
  differ: a figure for them is no figure for faults that nobody has seen.
- Rows of `strangers/unseen` (+) are by an author who had read neither the rules nor their tests nor any list of
  misses: other data, networks, optimizers and magnitudes, some of them borderline, some with an innocent oddity
  beside the fault. Their first run, before anything was mended for them (commit c3be72c): root cause first in 16 of
  33, it or something useful in 26, alarms on 1 of 31, 14 of 28 cures restore 80 %. See `--group unseen`.
- Rows of `strangers/second` (#) are by another such author, later: other data, networks and magnitudes again, none of
  them borderline. Their first run, before anything was mended for them: root cause first in 33 of 45, it or something
  useful in 41, alarms on 0 of 28, 27 of 41 cures restore 80 %. See `--group second`.
- Rows of `strangers/third` (^) are by a third such author: letters, displays, traffic lights, street scenes, slides
  of cells, real wrong labels, each fault as somebody once made it. Their first run, before anything was mended for
  them: root cause first in 29 of 44, it or something useful in 42, alarms on 1 of 21; cures were not carried out.
  Street scenes (8 faults, the control that alarmed) have test squares of blank sky that are training squares, too,
  which the author had not seen: without them 29 and 35 of 36, and 0 of 20. See `--group third`.
- Rows of `strangers/fourth` (&) are by a fourth: road junctions, Roman numbers, forecasts, dashboards, sections of
  tissue; their faults were drawn from a grid of stages and of what is known to go wrong in each (`grid`), not chosen.
  Their first run: root cause first in 49 of 60, it or something useful in 58, alarms on 0 of 29 (34 and 39 of the 39
  that were certified first). See `--group fourth`.
- Cures that Foveal can carry out are: the run is forked with them, what is wrong in its code staying as it is. Cures
  in words are carried out by taking the fault out, if the finding names the right place; both are counted apart. What
  is carried out is what `foveal diagnose --prove` chooses: the finding's own cure, and where the run is ill still,
  others for the same illness, for its symptoms and the other findings, and a second round on the best of these, by the
  validation pictures alone. Some of these are no mending of what is wrong but a way round it (another network, another
  optimizer). Until 26 November 2026 only the first finding's own cure was carried out: `the first cure alone` is that
  figure still, of the cures that the finding itself has.
- Moved since the denominators were first told: the four `softmax-*` rows, `relu-end`, `same-batch` and
  `turned-in-training` have their cure in words now, as what is wrong is in code that no option or repair reaches.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1]))  # the benchmarks import each other by bare names
