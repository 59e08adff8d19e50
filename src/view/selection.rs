//! What a reader has chosen to follow, by the names that a link gives it.

use crate::engine::kafka::types::RecordId;
use crate::view::names::Names;
use crate::view::scene::Scene;

/// The record of a name.
pub fn record_named(names: &Names, name: &str) -> Option<RecordId> {
    names.looks().iter().position(|look| look.name == name).map(|index| RecordId(index as u32))
}

/// The lane of a name, `P` or `B1`: its place in `Scene::lanes`.
pub fn lane_named(scene: &Scene, name: &str) -> Option<usize> {
    scene.lanes.iter().position(|lane| lane.short == name)
}

/// The name of a lane.
pub fn lane_name(scene: &Scene, lane: usize) -> Option<String> {
    scene.lanes.get(lane).map(|lane| lane.short.clone())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::view::scene::Options;
    use crate::view::testing::{lost_acknowledgement, r};

    #[test]
    fn names_there_and_back() {
        let run = lost_acknowledgement();
        let scene = Scene::build(run.story(), &Options::default());
        let names = &run.story().index.names;
        let name = &names.look(r(1)).name;
        assert_eq!(record_named(names, name), Some(r(1)));
        assert_eq!(record_named(names, "nobody"), None);
        for lane in 0..scene.lanes.len() {
            let name = lane_name(&scene, lane).expect("a name");
            assert_eq!(lane_named(&scene, &name), Some(lane), "{name}");
        }
        assert_eq!(lane_named(&scene, "B9"), None);
    }
}
