// The page begins here: each part gets its place, and the subscriptions open.

import * as empty from "./empty.js";
import * as explosions from "./explosions.js";
import * as figures from "./figures.js";
import * as filters from "./filters.js";
import * as fleet from "./fleet.js";
import * as keys from "./keys.js";
import * as missions from "./missions.js";
import * as paint from "./paint.js";
import * as panel from "./panel.js";
import * as rocket from "./rocket.js";
import * as route from "./route.js";
import * as rows from "./rows.js";
import * as settings from "./settings.js";
import * as status from "./status.js";
import * as table from "./table.js";
import * as timewindow from "./timewindow.js";
import * as token from "./token.js";
import * as traffic from "./traffic.js";
import * as waits from "./waits.js";
import * as watch from "./watch.js";

route.begin();
settings.begin();
timewindow.begin();
status.begin();
figures.begin();
traffic.begin();
explosions.begin();
waits.begin();
missions.begin();
table.begin();
filters.begin();
panel.begin();
empty.begin();
keys.begin({ close: panel.close });
token.begin(() => {
  fleet.again();
  watch.again();
  rows.again();
});
route.onRoute(() => paint.paint("route"));
paint.view(["rows"], () => filters.offerTypes(rows.shown.rows));
paint.begin();

fleet.begin();
rows.begin();
rocket.begin();
