//! The RPC server under attack: how long its good client's calls take then, and what it holds.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use benches::hostile::attack::{Attack, Effort};
use benches::hostile::{World, may_open};

use crate::row::{Bar, Contest, Contestant, Failure, Limit, Reading, Row, Unit};
use crate::run::Plan;

pub(crate) fn rows() -> Vec<Row> {
    vec![
        Row { name: "hostile-idle", setup: || under(Attack::Idle) },
        Row { name: "hostile-surplus", setup: || under(Attack::Surplus) },
        Row { name: "hostile-slow-loris", setup: || under(Attack::SlowLoris) },
        Row { name: "hostile-long-lengths", setup: || under(Attack::LongLengths) },
        Row { name: "hostile-unasked-responses", setup: || under(Attack::UnaskedResponses) },
        Row { name: "hostile-duplicate-ids", setup: || under(Attack::DuplicateIds) },
        Row { name: "hostile-pings", setup: || under(Attack::Pings) },
        Row { name: "hostile-cancels", setup: || under(Attack::Cancels) },
        Row { name: "hostile-garbage", setup: || under(Attack::Garbage) },
    ]
}

/// Calls during an attack against calls before and after.
fn under(attack: Attack) -> Result<Contest, Failure> {
    let (ours, quiet) = match may_open(attack.open_files()) {
        Ok(()) => {
            let world = Rc::new(RefCell::new(World::new(attack)?));
            let attacked = Rc::clone(&world);
            let ours = Contestant::report(move |plan| {
                let ordeal = attacked.borrow_mut().attacked(effort(plan))?;
                Ok(Reading { value: nanoseconds(ordeal.p99), peak_resident: Some(ordeal.peak_resident) })
            });
            let quiet = Contestant::report(move |plan| {
                let p99 = world.borrow().quiet(effort(plan))?;
                Ok(Reading { value: nanoseconds(p99), peak_resident: None })
            });
            (ours, quiet)
        }
        Err(reason) => (Contestant::unavailable(&*reason), Contestant::unavailable(&*reason)),
    };
    Ok(Contest {
        unit: Unit::Percentile99,
        ours,
        limit: Some(Limit { name: "quiet", times: 1.0, contestant: quiet }),
        peers: Vec::new(),
        bars: vec![Bar::TimesLimit(10.0), Bar::ResidentBelow(64.0 * 1024.0 * 1024.0)],
    })
}

const fn effort(plan: &Plan) -> Effort {
    if plan.smoke { Effort::Smoke } else { Effort::Full }
}

fn nanoseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1e9
}
