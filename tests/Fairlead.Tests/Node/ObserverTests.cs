using System.Text;
using Fairlead.Fleet;
using Fairlead.Fleet.Decide;
using Fairlead.Fleet.Steer;
using Fairlead.Node;
using Fairlead.Tests.Decide;
using Fairlead.Tests.Lab;

namespace Fairlead.Tests.Node;

public class ObserverTests
{
    private static readonly DateTimeOffset Now = Situation.Now;
    private readonly HeldStore store = new(Now);
    private readonly Situation situation = new();

    [Fact]
    public void Reports_and_intents_of_the_store_become_the_world()
    {
        store.Hold("nodes/nyc/nyc1", FleetJson.Write(situation.Report("nyc1")), Now.AddSeconds(-1));
        store.Hold("intents/drain-tyo", FleetJson.Write(Situation.Drain("tyo")), Now);
        store.Hold("elsewhere", "no matter");

        World world = Look(New());

        Assert.Equal(["nyc1", "lon1"], world.Nodes.Select(view => view.Report.Node));
        Assert.Equal(Now.AddSeconds(-1), world.Nodes[0].HeardAt);
        Assert.Equal("drain-tyo", Assert.Single(world.Intents).Id);
        Assert.Equal(store.Sight, world.Store);
    }

    [Fact]
    public void Our_own_report_in_the_store_never_replaces_what_we_know_ourselves()
    {
        NodeReport echo = situation.Report("lon1") with { Sequence = 999, Pools = [] };
        store.Hold("nodes/lon/lon1", FleetJson.Write(echo), Now);

        NodeView own = Assert.Single(Look(New()).Nodes);

        Assert.NotEmpty(own.Report.Pools);
    }

    public static TheoryData<string, string> Malformed => new()
    {
        { "nodes/nyc/nyc1", "" },
        { "nodes/nyc/nyc1", "{" },
        { "nodes/nyc/nyc1", "null" },
        { "nodes/nyc/nyc1", "[1, 2]" },
        { "nodes/nyc/nyc1", """{"pop": "lon", "node": "lon1"}""" }, // Another node's name under this key.
        { "nodes/nyc/nyc9", """{"pop": "nyc", "node": "nyc9"}""" }, // No such node in the fleet.
        { "nodes/mars/m1", """{"pop": "mars", "node": "m1"}""" },
        { "nodes/nyc/nyc1", """{"pop": null, "node": "nyc1"}""" },
        { "nodes/nyc/nyc1", """{"pop": "nyc", "node": "nyc1", "pools": null}""" },
        { "nodes/nyc/nyc1", """{"pop": "nyc", "node": "nyc1", "pools": [null]}""" },
        { "nodes/nyc/nyc1", """{"pop": "nyc", "node": "nyc1", "pools": [{}]}""" },
        { "nodes/nyc/nyc1",
            """{"pop": "nyc", "node": "nyc1", "pools": [{"service": "web", "pop": "nyc", "known": true}]}""" },
        { "nodes/nyc/nyc1", """
            {"pop": "nyc", "node": "nyc1",
            "pools": [{"service": "web", "pop": "nyc", "known": true, "healthy": [null]}]}
            """ },
        { "nodes/nyc/nyc1", """
            {"pop": "nyc", "node": "nyc1", "pools": [{"service": "web", "pop": "nyc", "known": true, "healthy": [7]}]}
            """ },
        { "nodes/nyc/nyc1", """{"pop": "nyc", "node": "nyc1", "announced": [null]}""" },
        { "nodes/nyc/nyc1", """{"pop": "nyc", "node": "nyc1", "announced": [{"prefix": null}]}""" },
        { "nodes/nyc/nyc1", """{"pop": "nyc", "node": "nyc1", "sequence": 1e400}""" },
        { "intents/drain-tyo", "{" },
        { "intents/drain-tyo", "{}" },
        { "intents/drain-tyo", """
            {"id": null, "kind": "drain", "pop": "tyo", "reason": "x", "at": "2026-01-01T00:00:00Z",
            "until": "2027-01-01T00:00:00Z"}
            """ },
        { "intents/drain-tyo", """
            {"id": "drain-tyo", "kind": "drain", "pop": null, "reason": "x", "at": "2026-01-01T00:00:00Z",
            "until": "2027-01-01T00:00:00Z"}
            """ },
        { "intents/drain-tyo", """
            {"id": "drain-tyo", "kind": "feast", "pop": "tyo", "reason": "x", "at": "2026-01-01T00:00:00Z",
            "until": "2027-01-01T00:00:00Z"}
            """ },
        { "intents/drain-tyo", """
            {"id": "drain-tyo", "kind": "drain", "pop": "tyo", "reason": "x", "at": "9999-12-31T23:59:59.9Z",
            "until": "9999-12-31T23:59:59.9Z"}
            """ },
    };

    /// <summary>What one node writes reaches every node of the fleet: it must not be able to stop them all.</summary>
    [Theory]
    [MemberData(nameof(Malformed))]
    public void A_malformed_entry_is_left_out_and_counted(string key, string value)
    {
        Observer observer = New();
        store.Hold("nodes/tyo/tyo1", FleetJson.Write(situation.Report("tyo1")), Now);
        store.Hold(key, value);

        World world = Look(observer);

        Assert.Equal(["tyo1", "lon1"], world.Nodes.Select(view => view.Report.Node));
        Assert.Empty(world.Intents);
        Assert.Equal(1, observer.Malformed);
        Look(observer);
        Assert.Equal(1, observer.Malformed);
        _ = Decision.Decide(situation.Fleet, world, Now);
    }

    [Theory]
    [InlineData(long.MaxValue)]
    [InlineData(long.MinValue)]
    [InlineData(-5)]
    public void An_age_that_cannot_be_is_cut_to_one_that_can(long age)
    {
        NodeReport report = situation.Report("nyc1");
        Assert.NotEmpty(report.Announced);
        store.Hold("nodes/nyc/nyc1", FleetJson.Write(report with
        {
            Announced = [.. report.Announced.Select(announced => announced with { AgeMilliseconds = age })],
        }), Now);

        (Plan plan, _) = Decision.Decide(situation.Fleet, Look(New()), Now);

        Assert.Equal(age > 0 ? PopState.Up : PopState.Returning, plan.Pop("nyc")!.State);
    }

    [Fact]
    public void Nothing_that_stands_in_the_store_stops_a_decision() => Property.Holds(3_000, random =>
    {
        var damaged = new HeldStore(Now);
        Damage("nodes/nyc/nyc1", FleetJson.Write(situation.Report("nyc1")));
        Damage("nodes/tyo/tyo1", FleetJson.Write(situation.Report("tyo1")));
        Damage("intents/drain-tyo", FleetJson.Write(Situation.Drain("tyo")));
        Damage("intents/announce-lon", FleetJson.Write(Situation.Announce("lon", "192.0.2.0/25")));
        var observer = new Observer(damaged, "lon", "lon1", null);

        World world = observer.Look(situation.Fleet, situation.Report("lon1"), observer.Intents(), null, Now);
        (Plan plan, _) = Decision.Decide(situation.Fleet, world, Now);
        _ = FleetJson.Write(plan);
        _ = NodeRoutes.Of(situation.Fleet, plan, situation.Report("lon1"), 1);
        _ = Steering.Of(situation.Fleet, plan, new ClientViews(situation.Fleet, Geography.Unknown));

        void Damage(string key, byte[] value)
        {
            string text = Encoding.UTF8.GetString(value);
            string[] words = ["null", "\"\"", "[]", "{}", "0", "-1", "99999999999999999999", "true", "\"x\"", "[null]"];
            for (int edits = random.Next(4); edits > 0; edits--)
            {
                // Half of the time one value is replaced by another that is JSON, else a letter by any other.
                int at = random.Next(text.Length);
                if (random.Next(2) == 0)
                {
                    at = text.IndexOf(':', at);
                    if (at < 0) continue;
                    int end = text.IndexOfAny([',', '}'], at);
                    if (end < 0) continue;
                    text = text[..(at + 1)] + words[random.Next(words.Length)] + text[end..];
                }
                else
                {
                    text = text[..at] + "[]{}:,\"0x9-"[random.Next(11)] + text[(at + 1)..];
                }
            }

            damaged.Hold(key, text);
        }
    });

    [Fact]
    public void An_older_report_of_the_same_process_says_nothing_new()
    {
        Observer observer = New();
        NodeReport newer = situation.Report("nyc1") with { Sequence = 9 };
        store.Hold("nodes/nyc/nyc1", FleetJson.Write(newer), Now);
        Look(observer);

        store.Hold("nodes/nyc/nyc1", FleetJson.Write(newer with { Sequence = 8, Pools = [] }), Now.AddSeconds(1));

        Assert.Equal(9, Look(observer).Nodes[0].Report.Sequence);
    }

    [Fact]
    public void A_process_that_has_begun_anew_is_fresh_from_then_on_also_with_a_smaller_sequence()
    {
        Observer observer = New();
        NodeReport before = situation.Report("nyc1") with { Sequence = 900 };
        store.Hold("nodes/nyc/nyc1", FleetJson.Write(before), Now.AddMinutes(-1));
        Look(observer);
        NodeReport restarted = before with { Sequence = 1, Started = before.Started.AddDays(1) };
        store.Hold("nodes/nyc/nyc1", FleetJson.Write(restarted), Now);

        NodeView view = Look(observer).Nodes[0];

        Assert.Equal((1, Now), (view.Report.Sequence, view.FreshSince));
    }

    [Fact]
    public void Freshness_lasts_from_report_to_report_and_ends_with_a_gap()
    {
        Observer observer = New();
        Report(1, Now.AddSeconds(-10));
        Assert.Equal(Now.AddSeconds(-10), Report(2, Now.AddSeconds(-9)).FreshSince);
        // The store lived on for more than deadAfter (1.5 s) without a word of the node.
        store.Sight = new StoreSight(Now.AddHours(-1), Now.AddSeconds(-7));
        Assert.Equal(Now.AddSeconds(-6.9), Report(3, Now.AddSeconds(-6.9)).FreshSince);

        NodeView Report(long sequence, DateTimeOffset at)
        {
            NodeReport report = situation.Report("nyc1") with { Sequence = sequence };
            if (sequence < 3) store.Sight = new StoreSight(Now.AddHours(-1), at);
            store.Hold("nodes/nyc/nyc1", FleetJson.Write(report), at);
            return Look(observer).Nodes[0];
        }
    }

    [Fact]
    public void While_the_store_has_never_answered_the_last_state_counts()
    {
        var last = new LastState
        {
            Intents = [Situation.Drain("tyo")],
            Reports = [situation.Report("nyc1"), situation.Report("lon1")],
        };
        var observer = new Observer(store, "lon", "lon1", last);
        store.Sight = default;

        World world = Look(observer);
        Assert.Equal("drain-tyo", Assert.Single(world.Intents).Id);
        Assert.Equal(["nyc1", "lon1"], world.Nodes.Select(view => view.Report.Node));

        // It answers, and holds no intent: the drain has been ended while we were away.
        store.Sight = new StoreSight(Now, Now);
        store.Hold("nodes/nyc/nyc1", FleetJson.Write(situation.Report("nyc1")), Now);
        Assert.Empty(Look(observer).Intents);
    }

    [Fact]
    public void Silence_is_measured_up_to_the_last_proof_and_from_the_later_of_contact_and_word()
    {
        DateTimeOffset live = Now.AddSeconds(-10);
        var sight = new StoreSight(live, Now);

        Assert.Equal(TimeSpan.FromSeconds(3), sight.SilenceSince(Now.AddSeconds(-3)));
        Assert.Equal(TimeSpan.FromSeconds(10), sight.SilenceSince(Now.AddSeconds(-60)));
        Assert.Equal(TimeSpan.FromSeconds(10), sight.SilenceSince(null));
        Assert.Equal(TimeSpan.Zero, sight.SilenceSince(Now.AddSeconds(1)));
        Assert.Equal(TimeSpan.Zero, new StoreSight(null, Now).SilenceSince(live));
        Assert.Equal(TimeSpan.Zero, new StoreSight(live, null).SilenceSince(live));
        Assert.Equal(TimeSpan.Zero, new StoreSight(Now, live).SilenceSince(null));
    }

    private Observer New() => new(store, "lon", "lon1", null);

    private World Look(Observer observer) =>
        observer.Look(ThreeCities.Fleet, situation.Report("lon1"), observer.Intents(), null, Now);
}
