//! From ranges of numbers to the tree that the programs walk down.
//!
//! *Does*: cut the numbers where any rule begins or ends, find the set of rules for each piece, lay out the steps of 16 ways to it.
//! *Spec*: `docs/datapath.md`, section "Rules".

use std::{collections::BTreeMap, ops::RangeInclusive};

use patronus_ebpf_abi::policy::{Line, NUMBERS};

use super::compile::Sets;

/// Ways from one line to the next.
const WAYS: usize = NUMBERS as usize;

/// For each piece of the numbers its first number and the place of its set of rules. `ranges` has the numbers that each rule is about.
pub(super) fn pieces(ranges: &[Vec<RangeInclusive<u32>>], sets: &mut Sets) -> Vec<(u32, u32)> {
    let mut changes: BTreeMap<u32, Vec<(usize, bool)>> = BTreeMap::from([(0, Vec::new())]);
    for (rule, range) in
        ranges.iter().enumerate().flat_map(|(rule, list)| merged(list).into_iter().map(move |it| (rule, it)))
    {
        changes.entry(*range.start()).or_default().push((rule, true));
        if let Some(behind) = range.end().checked_add(1) {
            changes.entry(behind).or_default().push((rule, false));
        }
    }
    let mut set = sets.empty();
    let mut pieces: Vec<(u32, u32)> = Vec::new();
    for (start, changes) in changes {
        for (rule, is_in) in changes {
            set.put(rule, is_in);
        }
        let place = sets.place(&set);
        if pieces.last().is_none_or(|(_, before)| *before != place) {
            pieces.push((start, place));
        }
    }
    pieces
}

/// The same numbers in ranges that neither overlap nor touch.
fn merged(ranges: &[RangeInclusive<u32>]) -> Vec<RangeInclusive<u32>> {
    let mut sorted = ranges.to_vec();
    sorted.sort_by_key(|range| *range.start());
    let mut merged: Vec<RangeInclusive<u32>> = Vec::new();
    for range in sorted {
        match merged.last_mut() {
            Some(last) if *range.start() <= last.end().saturating_add(1) => {
                *last = *last.start()..=*range.end().max(last.end());
            }
            _ => merged.push(range),
        }
    }
    merged
}

/// Lays out the tree over the pieces; gives its first line and its steps.
pub(super) fn lay(pieces: &[(u32, u32)], lines: &mut Vec<Line>) -> (u32, u32) {
    let mut starts: Vec<u32> = pieces.iter().map(|(start, _)| *start).collect();
    let places: Vec<Line> = pieces.chunks(WAYS).map(|group| line(group.iter().map(|(_, place)| *place))).collect();
    // The last step leads to numbers in that list, the others to lines.
    let mut at = push(lines, places) * NUMBERS;
    for step in 1.. {
        let nodes: Vec<Line> =
            (0..).zip(starts.chunks(WAYS)).map(|(way, group)| node(group, at + way * NUMBERS)).collect();
        starts = starts.chunks(WAYS).filter_map(|group| group.first().copied()).collect();
        at = push(lines, nodes);
        if starts.len() <= 1 {
            return (at, step);
        }
    }
    (at, 0)
}

/// A step: where each way but the first begins, and where the first leads.
fn node(starts: &[u32], leads_to: u32) -> Line {
    let separators = starts.iter().skip(1).copied().chain(std::iter::repeat(u32::MAX));
    line(separators.take(WAYS - 1).chain([leads_to]))
}

fn push(lines: &mut Vec<Line>, more: Vec<Line>) -> u32 {
    let at = u32::try_from(lines.len()).unwrap_or(u32::MAX);
    lines.extend(more);
    at
}

/// Sixteen numbers at most in a line.
pub(super) fn line(numbers: impl Iterator<Item = u32>) -> Line {
    let mut line = Line::default();
    for (index, number) in numbers.take(WAYS).enumerate() {
        if let Some(word) = line.get_mut(index / 2) {
            *word |= u64::from(number) << (index % 2 * 32);
        }
    }
    line
}
