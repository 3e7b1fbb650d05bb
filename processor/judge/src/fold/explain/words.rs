//! What was read and found in a text.

use super::Heard;
use crate::explanation::{
    CrossedText, Excused, Explanation, FoundHit, ReadText, ReadView, ViewWord,
};
use crate::fold::write::reason;
use crate::fold::{Fold, Scratch};
use crate::text::{Cells, Hit, Marks, Span, View, Views, fnv};

impl Scratch {
    /// Forgets what would not be overwritten by a step that does not come so far.
    pub(super) fn forget(&mut self) {
        self.joined.clear();
        self.heard.clear();
        self.found.clear();
        self.apart.clear();
        self.decision.clear(0);
    }
}

impl Fold {
    pub(super) fn tell_text(&mut self, heard: &Heard<'_>, explanation: &mut Explanation) {
        let scratch = &self.scratch;
        let text: &str = &heard.message.text;
        let hits = &scratch.found.hits;
        let mut views: Vec<ReadView> = scratch
            .views
            .named()
            .map(|(name, view)| read_view(name, view, hits))
            .collect();
        let displayed = displayed(text, heard);
        if let Some(displayed) = &displayed {
            views.push(read_view("displayed", displayed.plain(), hits));
        }
        let together = self.together(heard);
        explanation.hits = hits
            .iter()
            .map(|hit| self.found_hit(hit, heard, displayed.as_ref(), together.as_ref()))
            .collect();
        explanation.too_weak = self.too_weak(heard);
        explanation.excused = self.excused(heard);
        explanation.text = Some(ReadText {
            original: text.to_owned(),
            views,
            together,
        });
    }

    fn together(&self, heard: &Heard<'_>) -> Option<CrossedText> {
        let joined = &self.scratch.joined;
        if joined.is_empty() {
            return None;
        }
        let mut earlier = heard.before.clone();
        earlier.forget_fragments(heard.policy, heard.now);
        let channel = fnv(heard.message.channel.as_bytes());
        let fragments = earlier.fragments.iter();
        Some(CrossedText {
            own_from: joined.len() - heard.message.text.trim().len(),
            text: joined.clone(),
            earlier: fragments.filter(|one| one.channel == channel).count(),
        })
    }

    fn found_hit(
        &self,
        hit: &Hit,
        heard: &Heard<'_>,
        displayed: Option<&Views>,
        together: Option<&CrossedText>,
    ) -> FoundHit {
        let policy = heard.policy;
        let text: &str = &heard.message.text;
        let rule = policy.rule(hit.term);
        let id = rule.map_or("", |rule| rule.id.as_str());
        let place = reason(id, hit.span, "", text);
        let topic = rule.and_then(|rule| rule.topic);
        let full = policy.matcher.risk_of(hit.term);
        let is_joined = hit.marks.has(Marks::JOINED);
        let views = self.scratch.views.used();
        let read_as = views
            .chain(displayed.map(Views::plain))
            .find_map(|view| read_as(view, hit))
            .filter(|read| !is_joined && !text_at(text, hit.span).eq_ignore_ascii_case(read));
        FoundHit {
            rule: id.to_owned(),
            topic: topic.and_then(|topic| policy.topics.get(topic).cloned()),
            risk: topic.map(|_| hit.risk),
            lowered_from: (topic.is_some() && hit.risk < full).then_some(full),
            weight: rule.map_or(0, |rule| rule.weight),
            start: place.start,
            end: place.end,
            start_utf16: place.start_utf16,
            end_utf16: place.end_utf16,
            words: text_at(text, hit.span).to_owned(),
            read_as,
            evasion: hit.marks.names(),
            across: together
                .filter(|_| is_joined)
                .and_then(|together| self.across(hit, heard, together)),
            hidden: heard.verdict.action == "mask" && self.scratch.decision.masks(policy, hit),
            definition: heard.document.and_then(|document| document.definition(id)),
        }
    }

    /// The words of a hit that begins in an earlier message.
    fn across(&self, hit: &Hit, heard: &Heard<'_>, together: &CrossedText) -> Option<String> {
        let own = &heard.message.text;
        let (lead, from) = (own.len() - own.trim_start().len(), together.own_from);
        let mut apart = self.scratch.apart.hits.iter();
        let whole = apart.find(|one| {
            one.term == hit.term
                && (one.span.start as usize) < from
                && (one.span.end as usize) + lead == hit.span.end as usize + from
        })?;
        Some(text_at(&together.text, whole.span).to_owned())
    }

    /// Rules that spoke and have no hit left.
    fn too_weak(&self, heard: &Heard<'_>) -> Vec<String> {
        let mut spoken = self.scratch.decision.spoken.clone();
        spoken.dedup();
        let counts = |term: &u32| self.scratch.found.hits.iter().any(|hit| hit.term == *term);
        spoken
            .into_iter()
            .filter(|term| !counts(term))
            .filter_map(|term| heard.policy.rule(term).map(|rule| rule.id.clone()))
            .collect()
    }

    fn excused(&self, heard: &Heard<'_>) -> Vec<Excused> {
        let found = &self.scratch.found;
        let text: &str = &heard.message.text;
        let excused = |rule, max_risk, span: Span| Excused {
            rule,
            max_risk,
            words: text_at(text, span).to_owned(),
            start: span.start,
            end: span.end,
        };
        let exceptions = found.exceptions.iter().map(|(term, span)| {
            let rule = heard.policy.rule(*term).map(|rule| rule.id.clone());
            excused(rule, None, *span)
        });
        let allows = found
            .allows
            .iter()
            .map(|(risk, span)| excused(None, Some(*risk), *span));
        let mut all: Vec<Excused> = exceptions.chain(allows).collect();
        all.sort_by(|a, b| (a.start, a.end, &a.rule).cmp(&(b.start, b.end, &b.rule)));
        all.dedup();
        all
    }
}

/// The views of a text that overrides turn around, as it is displayed: the step has read it so before it read it in the order of its bytes.
fn displayed(text: &str, heard: &Heard<'_>) -> Option<Views> {
    let (mut cells, mut views) = (Cells::default(), Views::default());
    if !cells.read(text) {
        return None;
    }
    cells.read_displayed(text);
    views.read(&mut cells, heard.policy.undo);
    Some(views)
}

fn read_view(name: &'static str, view: &View, hits: &[Hit]) -> ReadView {
    let words = view.words.iter().filter_map(|word| {
        let span = view.trace(word.from as usize, word.to as usize)?.span;
        Some(ViewWord {
            text: String::from_utf8_lossy(view.of(word)).into_owned(),
            start: span.start,
            end: span.end,
            hit: hits
                .iter()
                .any(|hit| hit.span.start < span.end && span.start < hit.span.end),
        })
    });
    ReadView {
        name,
        words: words.collect(),
    }
}

/// The words of a view where a hit is, if the hit is of this view: the same was undone.
fn read_as(view: &View, hit: &Hit) -> Option<String> {
    let within = |span: Span| hit.span.start <= span.start && span.end <= hit.span.end;
    let touches = |span: Span| hit.span.start < span.end && span.start < hit.span.end;
    let (mut words, mut marks, mut start) = (Vec::new(), Marks::NONE, u32::MAX);
    for word in &view.words {
        let Some(place) = view.trace(word.from as usize, word.to as usize) else {
            continue;
        };
        if within(place.span) || touches(place.span) {
            words.push(String::from_utf8_lossy(view.of(word)).into_owned());
            marks = marks.with(place.marks);
            start = start.min(place.span.start);
        }
    }
    // What only the matcher undoes is marked in no view.
    let shown = hit.marks.without(Marks::MISSPELT);
    (!words.is_empty() && marks == shown).then(|| words.join(" "))
}

fn text_at(text: &str, span: Span) -> &str {
    text.get(span.start as usize..span.end as usize)
        .unwrap_or_default()
}
