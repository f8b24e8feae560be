# What a policy has against an image, by what Ratify found beside it. The same text stands in Ratify's Policy, which
# decides, and in Gatekeeper's template, which decides once more and says why. policy/judge.py is the same in Python.
#
# Ratify hands on the scan report as it is (its verifier's `passthrough`): its own check cannot tell which of several
# reports is the newest, knows no exceptions and no fixes, and takes the time from an annotation that nobody signed. A bill
# of materials is too large to be handed on (64 KiB is the most). So the signed report states what the policy refuses in
# it, and which one it is; here it has to be there and signed.

signature_type := "application/vnd.cncf.notary.signature"

exception_type := "application/vnd.s3c.exception.v1+json"

ranks := {"CRITICAL": 0, "HIGH": 1, "MEDIUM": 2, "LOW": 3, "UNKNOWN": 4}

skew := 300000000000

day_skew := 86400000000000

unknown_time := 9223372036854775807

# Objects {code, text}; none when the image is admitted.
refusals(image, reports) = reasons {
  reasons := signature_refusals(image, reports) | report_refusals(image, reports)
}

signature_refusals(image, reports) = reasons {
  trust(reports) == "unsigned"
  reasons := {{"code": "unsigned-image", "text": sprintf("it has no signature: sign it with `s3c sign %v`", [image])}}
} else = reasons {
  trust(reports) == "stranger"
  reasons := {{"code": "stranger-image", "text": sprintf("it is signed, but by nobody whom the policy allows: sign it with `s3c sign %v`", [image])}}
} else = set() {
  true
}

trust(reports) = signed_by(reports, policy.verifiers)

signed_by(reports, verifiers) = "allowed" {
  report := reports[_]
  report.artifactType == signature_type
  verified := report.verifierReports[_]
  verified.isSuccess == true
  verified.name == verifiers[_]
} else = "stranger" {
  reports[_].artifactType == signature_type
} else = "unsigned" {
  true
}

# The scan reports

report_refusals(image, reports) = reasons {
  fix := sprintf("attach a new one with `s3c attach %v`", [image])
  documents := [document | report := reports[_]; report.artifactType == "application/sarif+json"; document := sarif(report)]
  sboms := [report | report := reports[_]; report.artifactType == "application/spdx+json"]
  reasons := reports_judged(image, documents, sboms, exceptions_of(reports), fix)
}

reports_judged(image, documents, sboms, exceptions, fix) = reasons {
  count(documents) == 0
  reasons := {{"code": "no-report", "text": sprintf("it has no scan report: %v", [fix])}}
} else = reasons {
  latest := max([document.when | document := documents[_]])
  reasons := {refusal |
    document := documents[_]
    document.when == latest
    label := sprintf("its newest scan report (%v)", [substring(document.digest, 0, 19)])
    refusal := report_judged(image, document, sboms, exceptions, label, fix)[_]
  }
}

report_judged(image, document, sboms, exceptions, label, fix) = reasons {
  document.readable == false
  document.busy == true
  reasons := {{"code": "busy", "text": sprintf("%v was not read, because Ratify's cache was being written: try again in half a minute", [label])}}
} else = reasons {
  document.readable == false
  reasons := standing(document.trust, document.readable, "report", label, fix)
} else = reasons {
  runs := document.content.runs
  results := {result |
    result := runs[_].results[_].properties
    result.suppressed == false
    not excused_by_grant(exceptions, result)
  }
  statements := {statement | statement := runs[_].properties.s3c}
  omitted := sum([number | statement := runs[_].properties.s3c; not unlisted_excused(exceptions); number := refusable(statement)])
  refused_findings := findings(image, results, omitted)
  reasons := union({
    standing(document.trust, document.readable, "report", label, fix),
    other_image(document, statements, label, fix),
    freshness(statements, label, fix),
    laxer(statements, label, fix),
    image_rules(statements, label, fix),
    scope_refusals(statements, label, fix),
    blind(statements, label),
    refused_findings,
    ignored_exceptions(image, exceptions, refused_findings),
    contents(statements),
    sbom_refusals(statements, sboms, label, fix),
  })
}

standing(trusted, readable, kind, label, fix) = reasons {
  reasons := {{"code": code, "text": text} |
    case := [
      [trusted == "unsigned", "unsigned", "is not signed"],
      [trusted == "stranger", "stranger", "is signed by nobody whom the policy allows"],
      [readable == false, "unreadable", "cannot be read"],
    ][_]
    case[0] == true
    code := sprintf("%v-%v", [case[1], kind])
    text := sprintf("%v %v: %v", [label, case[2], fix])
  }
}

other_image(document, statements, label, fix) = reasons {
  reasons := {{"code": "other-image-report", "text": text} |
    statement := statements[_]
    statement.subject != document.subject
    text := sprintf("%v is about another image: %v", [label, fix])
  }
}

freshness(statements, label, fix) = reasons {
  now := time.now_ns()
  future := {{"code": "future-report", "text": text} |
    statement := statements[_]
    stamp(statement.created) - skew > now
    text := sprintf("%v is dated %v, which is still to come: %v", [label, statement.created, fix])
  }
  stale := {{"code": "stale-report", "text": text} |
    statement := statements[_]
    now - stamp(statement.created) > policy.maximum_age
    text := sprintf("%v is of %v, older than %v: %v", [label, statement.created, policy.maximum_age_text, fix])
  }
  outdated := {{"code": "stale-database", "text": text} |
    policy.maximum_database_age > 0
    statement := statements[_]
    not recent_database(statement)
    text := sprintf("%v was made with a vulnerability database older than %v: %v", [label, policy.maximum_database_age_text, fix])
  }
  early := {{"code": "stale-database", "text": text} |
    policy.maximum_database_age > 0
    statement := statements[_]
    stamp(statement.database) - skew > stamp(statement.created)
    text := sprintf("%v was made with a vulnerability database of %v, which is later than its scan: %v", [label, statement.database, fix])
  }
  reasons := ((future | stale) | outdated) | early
}

recent_database(statement) {
  stamp(statement.created) - stamp(statement.database) <= policy.maximum_database_age
}

# A report lists what the policy it was made by refuses. One that was made by a laxer policy may leave out what counts now.
laxer(statements, label, fix) = reasons {
  reasons := {{"code": "laxer-report", "text": text} |
    statement := statements[_]
    is_laxer(statement.policy)
    text := sprintf("%v was made by a policy that refuses less: %v", [label, fix])
  }
}

is_laxer(stated) {
  wanted := policy.refuse[_]
  count([entry | entry := stated.refuse[_]; entry == wanted]) == 0
}

is_laxer(stated) {
  policy.graces[wanted]
  count([entry | entry := stated.refuse[_]; entry == wanted]) == 0
}

is_laxer(stated) {
  policy.deny_exploited == true
  object.get(stated, "exploited", null) != true
}

is_laxer(stated) {
  policy.epss != ""
  not reaches(policy.epss, object.get(stated, "epss", null))
}

is_laxer(stated) {
  stated["fixable-only"] == true
  policy.fixable_only == false
}

is_laxer(stated) {
  wanted := policy.deny[_]
  count([entry | entry := stated.deny[_]; entry == wanted]) == 0
}

is_laxer(stated) {
  wanted := policy.packages[_]
  count([entry | entry := stated.packages[_]; entry == wanted]) == 0
}

is_laxer(stated) {
  wanted := policy.licenses[_]
  count([entry | entry := stated.licenses[_]; entry == wanted]) == 0
}

is_laxer(stated) {
  stated.scope == "own"
  policy.scope == "all"
}

# What counts as a base for the report, and is none for the policy.
is_laxer(stated) {
  policy.scope == "own"
  is_array(stated.bases)
  base := stated.bases[_]
  count([entry | entry := policy.bases[_]; entry == base]) == 0
}

# Data on exploitation, end of life, age of the base: policy/image_rules.py
image_rules(statements, label, fix) = reasons {
  lacking := {{"code": "no-exploitation-data", "text": text} |
    statement := statements[_]
    needed := exploitation_needed[_]
    not is_stamp(exploitation_date(statement, needed[0]))
    text := sprintf("%v does not state %v: %v", [label, needed[1], fix])
  }
  stale := {{"code": "stale-exploitation-data", "text": text} |
    statement := statements[_]
    needed := exploitation_needed[_]
    stamp(statement.created) - stamp(exploitation_date(statement, needed[0])) > policy.maximum_exploitation_age
    text := sprintf("%v states %v by data older than %v: %v", [label, needed[1], policy.maximum_exploitation_age_text, fix])
  }
  # Later than the scan it may be: a kept report is judged by the data of the day.
  future := {{"code": "future-exploitation-data", "text": text} |
    statement := statements[_]
    needed := exploitation_needed[_]
    date := exploitation_date(statement, needed[0])
    stamp(date) - day_skew > time.now_ns()
    text := sprintf("%v states %v by data of %v, which is still to come: %v", [label, needed[1], date, fix])
  }
  platform := {refusal |
    policy.refuse_end_of_life == true
    statement := statements[_]
    refusal := platform_refusals(statement, label, fix)[_]
  }
  base := {refusal |
    policy.maximum_base_age > 0
    statement := statements[_]
    refusal := base_refusals(statement, label)[_]
  }
  reasons := (((lacking | stale) | future) | platform) | base
}

exploitation_needed = union({
  {["kev", "which vulnerabilities are exploited (KEV)"] | policy.deny_exploited == true},
  {["epss", "how likely vulnerabilities are exploited (EPSS)"] | policy.epss != ""},
})

exploitation_date(statement, key) = date {
  date := statement.exploitation[key]
} else = null {
  true
}

platform_refusals(statement, label, fix) = reasons {
  states_platform(statement)
  reasons := {{"code": "end-of-life", "text": text} |
    statement["end-of-life"] == true
    text := sprintf("no fixes are published any more for its platform, %v: base it on a newer release", [statement.os])
  }
} else = reasons {
  reasons := {{"code": "unknown-platform", "text": sprintf("%v does not state whether its platform is supported: %v", [label, fix])}}
}

states_platform(statement) {
  is_boolean(statement["end-of-life"])
  is_string(statement.os)
}

base_refusals(statement, label) = reasons {
  created := stamp(statement["base-created"])
  created - skew > time.now_ns()
  reasons := {{"code": "unknown-base", "text": sprintf("its base is of %v, which is still to come: build it on one that states its age", [statement["base-created"]])}}
} else = reasons {
  created := stamp(statement["base-created"])
  reasons := {{"code": "old-base", "text": text} |
    time.now_ns() - created > policy.maximum_base_age
    text := sprintf("its base is of %v, older than %v: rebuild it on today's", [statement["base-created"], policy.maximum_base_age_text])
  }
} else = reasons {
  reasons := {{"code": "unknown-base", "text": sprintf("%v does not state when its base was made: build it on a base that states it", [label])}}
}

# A report that looked at less than the policy asks says nothing of the rest.
scope_refusals(statements, label, fix) = reasons {
  previous := {{"code": "previous-report", "text": text} |
    statement := statements[_]
    statement.version == 1
    policy.accept_previous_until <= time.now_ns()
    text := sprintf("%v is of an earlier version of s3c and does not state how much was scanned: %v", [label, fix])
  }
  missing := {what | statement := statements[_]; statement.version == 2; what := missing_scope(statement.scope)[_]}
  narrow := {{"code": "narrow-report", "text": text} |
    count(missing) > 0
    text := sprintf("%v looked at less than the policy asks, %v: %v", [label, first([what | what := missing[_]]), fix])
  }
  without := {{"code": "uncovered", "text": text} |
    policy.require_covered_sources == true
    number := max([statement.uncovered | statement := statements[_]; statement.version == 2])
    number > 0
    text := sprintf("it has %v %v from sources that publish no advisories: replace them, or let the policy accept them", [number, plural(number, "package")])
  }
  reasons := (previous | narrow) | without
}

missing_scope(scope) = missing {
  scanners := {sprintf("not for %v", [wanted]) | wanted := policy.scanners[_]; not has(scope.scanners, wanted)}
  packages := {sprintf("not at packages of type %v", [wanted]) | wanted := policy.pkg_types[_]; not has(scope["pkg-types"], wanted)}
  skipped := {"not at skipped paths" | policy.allow_skipped == false; count(scope["skip-dirs"]) + count(scope["skip-files"]) > 0}
  unstated := {"at paths that it does not state" | policy.require_stated == true; scope.stated == false}
  missing := ((scanners | packages) | skipped) | unstated
}

has(values, wanted) {
  values[_] == wanted
}

blindness_accepted(statement) {
  statement.version == 2
  statement.unscanned == "warn"
  policy.unscanned == "warn"
}

blind(statements, label) = reasons {
  reasons := {{"code": "blind", "text": text} |
    statement := statements[_]
    statement.blind != ""
    not blindness_accepted(statement)
    text := sprintf("%v could not look at everything: %v", [label, statement.blind])
  }
}

findings(image, results, omitted) = reasons {
  fix := sprintf("patch it with `s3c patch %v`, or rebuild it", [image])
  denied := {item | finding := results[_]; is_denied(finding); item := item_of(finding)}
  refused := {item | finding := results[_]; is_refused(finding); item := item_of(finding)}
  by_name := {{"code": "denied-finding", "text": text} |
    count(denied) > 0
    text := sprintf("it has what the policy denies by name, %v: %v", [listed(denied), fix])
  }
  exploited := {item | finding := results[_]; is_exploited(finding); item := item_of(finding)}
  by_catalogue := {{"code": "exploited-finding", "text": text} |
    count(exploited) > 0
    text := sprintf("it has what is known to be exploited, %v: %v", [listed(exploited), fix])
  }
  unknown := {{"code": "unknown-exploitation", "text": text} |
    number := count([finding | finding := results[_]; lacks_facts(finding)])
    number > 0
    text := sprintf("of %v %v it is not known how they are exploited: attach a new report with `s3c attach %v`", [number, plural(number, "finding"), image])
  }
  by_severity := {{"code": "finding", "text": text} |
    number := count(refused) + omitted
    number > 0
    text := sprintf("it has %v %v%v: %v", [number, plural(number, "refused finding"), list_refused(refused, omitted), fix])
  }
  expired := {{"code": "expired-exception", "text": text} |
    finding := results[_]
    is_refused(finding)
    ended := [exception.until | exception := policy.exceptions[_]; excuses(exception, finding)]
    count(ended) > 0
    text := sprintf("the exception for %v%v ended on %v: fix the finding, or renew the exception", [finding.id, in_package(finding), max(ended)])
  }
  reasons := (((by_name | by_severity) | expired) | by_catalogue) | unknown
}

list_refused(refused, omitted) = "" {
  count(refused) == 0
} else = sprintf(", %v", [listed(refused)]) {
  omitted == 0
} else = sprintf(", %v and others", [listed(refused)]) {
  true
}

is_denied(finding) {
  upper(finding.id) == policy.deny[_]
}

is_exploited(finding) {
  not is_denied(finding)
  policy.deny_exploited == true
  finding.exploited == true
}

is_refused(finding) {
  not is_denied(finding)
  not is_exploited(finding)
  counts(finding)
  by_rule(finding)
  not inherited(finding)
  not excused(finding)
}

# It came with the base image, and the policy minds the image's own findings alone.
inherited(finding) {
  policy.scope == "own"
  finding.base == true
}

by_rule(finding) {
  finding.severity == policy.refuse[_]
}

by_rule(finding) {
  policy.epss != ""
  reaches(object.get(finding, "epss", null), policy.epss)
}

by_rule(finding) {
  policy.graces[finding.severity]
  not in_grace(finding)
}

in_grace(finding) {
  stamp(finding.since) - skew <= time.now_ns()
  stamp(finding.since) + policy.graces[finding.severity] > time.now_ns()
}

lacks_facts(finding) {
  policy.deny_exploited == true
  not is_boolean(object.get(finding, "exploited", null))
}

lacks_facts(finding) {
  policy.epss != ""
  not is_score(object.get(finding, "epss", null))
}

# Scores have five decimals, and texts of one length are in their order.
reaches(score, threshold) {
  is_score(score)
  is_score(threshold)
  score != ""
  threshold != ""
  score >= threshold
}

is_score(text) {
  is_string(text)
  regex.match(`^(0\.[0-9]{5}|1\.00000)?$`, text)
}

# How many findings that did not fit into the report a rule could refuse; all, when it does not account for each.
refusable(statement) = number {
  accounts(statement)
  number := sum([group.count | group := statement.rest[_]; is_refusable(group)])
} else = number {
  number := statement.omitted
}

accounts(statement) {
  is_array(statement.rest)
  count([group | group := statement.rest[_]; not is_group(group)]) == 0
  sum([group.count | group := statement.rest[_]]) == statement.omitted
}

is_group(group) {
  ranks[group.severity] >= 0
  is_boolean(group.fixable)
  is_number(group.count)
  group.count >= 0
  is_number(group.exploited)
  group.exploited >= 0
  is_number(group.denied)
  group.denied >= 0
  is_score(group.epss)
}

is_refusable(group) {
  count(policy.deny) > 0
  group.denied > 0
}

is_refusable(group) {
  policy.deny_exploited == true
  group.exploited > 0
}

is_refusable(group) {
  counts(group)
  group.severity == policy.refuse[_]
}

is_refusable(group) {
  counts(group)
  policy.graces[group.severity]
}

is_refusable(group) {
  counts(group)
  policy.epss != ""
  reaches(group.epss, policy.epss)
}

counts(finding) {
  policy.fixable_only == false
}

counts(finding) {
  finding.fixable == true
}

excused(finding) {
  exception := policy.exceptions[_]
  excuses(exception, finding)
  exception.ends > time.now_ns()
}

excuses(exception, finding) {
  exception.id == finding.id
  excuses_package(exception, finding)
}

excuses_package(exception, finding) {
  exception.package == null
}

excuses_package(exception, finding) {
  exception.package == finding.package
}

in_package(finding) = "" {
  finding.package == ""
} else = sprintf(" in %v", [finding.package]) {
  true
}

item_of(finding) = [ranks[finding.severity], finding.id, finding.package, sprintf("%v (%v)", [finding.id, concat(", ", parts)])] {
  parts := array.concat(array.concat(array.concat([finding.severity], [name | name := finding.package; name != ""]), fix_of(finding)), rules_of(finding))
}

rules_of(finding) = parts {
  exploited := ["exploited" | policy.deny_exploited == true; finding.exploited == true]
  likely := [sprintf("EPSS %v", [finding.epss]) | policy.epss != ""; reaches(object.get(finding, "epss", null), policy.epss)]
  graced := [text | policy.graces[finding.severity]; text := grace_of(finding)]
  parts := array.concat(array.concat(exploited, likely), graced)
}

grace_of(finding) = text {
  stamp(finding.since)
  text := sprintf("grace counted from %v", [substring(finding.since, 0, 10)])
} else = "without a grace" {
  true
}

fix_of(finding) = [sprintf("fixed in %v", [finding.fixed])] {
  finding.fixed != ""
} else = ["without a fix"] {
  finding.fixable == false
} else = [] {
  true
}

# Break-glass: signed exceptions beside the image, as policy/break_glass.py has them. `ignored` is why one does not count.

exceptions_of(reports) = judged {
  documents := [document | report := reports[_]; report.artifactType == exception_type; document := exception_of(report)]
  revoked := {digest |
    document := documents[_]
    is_revocation(document.content)
    document.trust == "allowed"
    document.content.subject == document.subject
    digest := document.content.revokes[_]
  }
  grants := {document | document := documents[_]; not is_read_revocation(document.content, count(documents))}
  unread := count([document | document := documents[_]; may_revoke(document)])
  sound := {document | document := grants[_]; fault_of_grant(document, count(documents), revoked, unread) == ""}
  judged := {{"digest": document.digest, "findings": findings_of(document), "ignored": ignored} |
    document := grants[_]
    ignored := fault_or_double(document, fault_of_grant(document, count(documents), revoked, unread), sound)
  }
}

is_read_revocation(content, total) {
  total <= 50
  is_revocation(content)
}

exception_of(report) = {"digest": report.referenceDigest, "subject": subject(report), "trust": signed_by(report.nestedReports, policy.granters), "content": small_content(report), "busy": is_busy(report), "signature_busy": is_signature_busy(report)}

small_content(report) = content {
  text := report.verifierReports[_].extensions.report
  count(text) <= 16384
  content := json.unmarshal(text)
} else = null {
  true
}

# What was not read, by a signer who may, or by nobody knows whom.
may_revoke(document) {
  not is_grant(document.content)
  not is_revocation(document.content)
  document.trust == "allowed"
}

may_revoke(document) {
  not is_grant(document.content)
  not is_revocation(document.content)
  document.busy == true
}

may_revoke(document) {
  is_revocation(document.content)
  document.trust == "stranger"
  document.signature_busy == true
}

fault_of_grant(document, total, revoked, unread) = "there are more than 50" {
  total > 50
} else = "the policy lets nobody grant exceptions" {
  count(policy.granters) == 0
} else = "it was not read, because Ratify's cache was being written" {
  fault_of_reading(document)
  document.busy == true
} else = "it cannot be read" {
  fault_of_reading(document)
} else = "it is for another image" {
  document.content.subject != document.subject
} else = text {
  stamp(document.content.until) - stamp(document.content.created) > policy.longest_grant
  text := sprintf("it lasts longer than %v", [policy.longest_grant_text])
} else = text {
  stamp(document.content.created) - skew > time.now_ns()
  text := sprintf("it is dated %v, which is still to come", [document.content.created])
} else = text {
  stamp(document.content.until) <= time.now_ns()
  text := sprintf("it ended at %v", [document.content.until])
} else = "it is not signed" {
  document.trust == "unsigned"
} else = "it is signed by nobody whom the policy lets grant exceptions" {
  document.trust == "stranger"
} else = "it was revoked" {
  revoked[document.digest]
} else = "another one cannot be read, and may revoke it" {
  unread > 0
} else = "" {
  true
}

fault_of_reading(document) {
  not is_grant(document.content)
}

fault_or_double(document, fault, sound) = text {
  fault == ""
  same := [other.digest | other := sound[_]; other.content == document.content; other.digest < document.digest]
  count(same) > 0
  text := sprintf("it says the same as %v", [substring(min(same), 0, 19)])
} else = fault {
  true
}

findings_of(document) = document.content.findings {
  is_grant(document.content)
} else = [] {
  true
}

excused_by_grant(exceptions, finding) {
  not is_denied(finding)
  exception := exceptions[_]
  exception.ignored == ""
  exception.findings[_] == ["all", finding.id][_]
}

# Whether the policy denies what a report had no room for is not known.
unlisted_excused(exceptions) {
  count(policy.deny) == 0
  exception := exceptions[_]
  exception.ignored == ""
  exception.findings[_] == "all"
}

ignored_exceptions(image, exceptions, refused_findings) = reasons {
  count(refused_findings) > 0
  ignored := {text |
    exception := exceptions[_]
    exception.ignored != ""
    text := sprintf("%v: %v", [substring(exception.digest, 0, 19), exception.ignored])
  }
  count(ignored) > 0
  reasons := {{"code": "ignored-exception", "text": sprintf("exceptions beside it do not count, %v: see `s3c exception list %v`", [first([text | text := ignored[_]]), image])}}
} else = set() {
  true
}

is_grant(content) {
  content.kind == "exception"
  count(content) == 8
  states_origin(content)
  are_like(content.findings, `^[A-Za-z0-9][A-Za-z0-9._:/@+-]{0,99}$`)
  stamp(content.until) > stamp(content.created)
}

is_revocation(content) {
  content.kind == "revocation"
  count(content) == 7
  states_origin(content)
  are_like(content.revokes, `^sha256:[0-9a-f]{64}$`)
}

states_origin(content) {
  content.version == 1
  regex.match(`^sha256:[0-9a-f]{64}$`, content.subject)
  stamp(content.created)
  is_text(content.who, 1, 300)
  is_text(content.why, 3, 1000)
}

is_text(text, least, most) {
  is_string(text)
  count(text) >= least
  count(text) <= most
  regex.match(`^[^\x00-\x1f\x7f\x{fffd}]+$`, text)
}

are_like(values, pattern) {
  is_array(values)
  count(values) >= 1
  count(values) <= 50
  count([value | value := values[_]; not is_like(value, pattern)]) == 0
}

is_like(text, pattern) {
  is_string(text)
  regex.match(pattern, text)
}

# The bill of materials

sbom_refusals(statements, sboms, label, fix) = reasons {
  policy.needs_sbom == true
  reasons := {refusal |
    statement := statements[_]
    refusal := sbom_judged(statement.sbom, sboms, label, fix)[_]
  }
} else = set() {
  true
}

sbom_judged(digest, sboms, label, fix) = reasons {
  digest == ""
  reasons := {{"code": "no-sbom", "text": sprintf("%v names no SBOM (SPDX): %v", [label, fix])}}
} else = reasons {
  named := [report | report := sboms[_]; report.referenceDigest == digest]
  count(named) == 0
  reasons := {{"code": "no-sbom", "text": sprintf("its SBOM (%v) is not there: %v", [substring(digest, 0, 19), fix])}}
} else = reasons {
  report := sboms[_]
  report.referenceDigest == digest
  reasons := standing(trust(report.nestedReports), true, "sbom", sprintf("its SBOM (%v)", [substring(digest, 0, 19)]), fix)
}

contents(statements) = reasons {
  held := {content.text | content := statements[_].contents[_]; content.kind == "package"; content.by == policy.packages[_]}
  under := {content.text | content := statements[_].contents[_]; content.kind == "license"; content.by == policy.licenses[_]}
  packages := {{"code": "package", "text": text} |
    count(held) > 0
    text := sprintf("it holds what the policy refuses, %v: remove it from the image", [first([name | name := held[_]])])
  }
  licences := {{"code": "license", "text": text} |
    count(under) > 0
    text := sprintf("it holds packages under refused licences, %v: remove them from the image", [first([name | name := under[_]])])
  }
  reasons := packages | licences
}

# Reading what Ratify hands on. What is not exactly as it should be is unreadable, and denies.

sarif(report) = {"digest": report.referenceDigest, "subject": subject(report), "trust": trust(report.nestedReports), "content": content, "readable": readable, "busy": is_busy(report), "when": when} {
  content := content_of(report)
  readable := is_sarif(content)
  when := sarif_time(content, readable, report)
}

sarif_time(content, readable, report) = time {
  readable == true
  time := min([stamp(run.properties.s3c.created) | run := content.runs[_]])
} else = time {
  time := attached(report)
}

is_sarif(content) {
  is_array(content.runs)
  count(content.runs) > 0
  count([run | run := content.runs[_]; not is_run(run)]) == 0
} else = false {
  true
}

is_run(run) {
  statement := run.properties.s3c
  states_scope(statement)
  is_string(statement.subject)
  is_string(statement.blind)
  is_string(statement.database)
  is_string(statement.sbom)
  is_number(statement.omitted)
  is_array(statement.policy.refuse)
  is_array(statement.policy.deny)
  is_array(statement.policy.packages)
  is_array(statement.policy.licenses)
  is_array(statement.contents)
  count([content | content := statement.contents[_]; not is_content(content)]) == 0
  is_boolean(statement.policy["fixable-only"])
  stamp(statement.created)
  is_array(run.results)
  count([result | result := run.results[_]; not is_result(result)]) == 0
}

# Of the previous version, or with its scope.
states_scope(statement) {
  statement.version == 1
}

states_scope(statement) {
  statement.version == 2
  are_texts(statement.scope.scanners)
  are_texts(statement.scope["pkg-types"])
  are_texts(statement.scope["skip-dirs"])
  are_texts(statement.scope["skip-files"])
  is_boolean(statement.scope.stated)
  is_number(statement.uncovered)
  has(["fail", "warn"], statement.unscanned)
}

are_texts(values) {
  is_array(values)
  count([value | value := values[_]; not is_string(value)]) == 0
}

is_content(content) {
  is_string(content.kind)
  is_string(content.by)
  is_string(content.text)
  count(content) == 3
}

is_result(result) {
  facts := result.properties
  is_string(facts.id)
  is_string(facts.package)
  is_string(facts.fixed)
  ranks[facts.severity] >= 0
  is_boolean(facts.fixable)
  is_boolean(facts.suppressed)
}

# Ratify 1.4.6 and its verifiers share a folder, whose index one may read while another writes it.
is_busy(report) {
  contains(report.verifierReports[_].errorReason, "could not create local oras cache")
} else = false {
  true
}

is_signature_busy(report) {
  is_busy(report.nestedReports[_]) == true
} else = false {
  true
}

content_of(report) = content {
  content := json.unmarshal(report.verifierReports[_].extensions.report)
} else = null {
  true
}

subject(report) = digest {
  digest := split(report.subject, "@")[1]
} else = "" {
  true
}

# Only for a document that cannot be read. One that tells no time at all could be the newest.
attached(report) = time {
  time := time_of(report.verifierReports[_].extensions.createdAt)
} else = unknown_time {
  true
}

time_of(text) = ns {
  ns := stamp(text)
}

is_stamp(text) {
  stamp(text)
}

stamp(text) = ns {
  regex.match(`^20[0-9]{2}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z$`, text)
  ns := time.parse_rfc3339_ns(text)
}

listed(items) = text {
  text := first([item[3] | item := items[_]])
}

# A set is walked in its order.
first(items) = text {
  count(items) <= 5
  text := concat(", ", items)
} else = text {
  text := sprintf("%v and %v more", [concat(", ", array.slice(items, 0, 5)), count(items) - 5])
}

plural(amount, noun) = noun {
  amount == 1
} else = sprintf("%vs", [noun]) {
  true
}
