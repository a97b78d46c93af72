using Fairlead.Dns.Wire;
using Fairlead.Fleet;
using Fairlead.Node;

namespace Fairlead.Tests.Decide;

public class SteeredTtlTests
{
    private const string Cname =
        "{service: web, answer: cname, cname: {nyc: us.cdn, lon: eu.cdn, tyo: as.cdn}, ttl: {min: 2s, max: 60s}}";

    [Theory]
    [InlineData(null, 60)] // Nothing is known: nothing is about to change.
    [InlineData(90, 60)]
    [InlineData(7, 7)]
    [InlineData(1, 2)]
    public void An_answer_lives_for_no_longer_than_its_pop_stays_as_it_is_within_the_names_bounds(int? seconds, int ttl)
    {
        var bed = new PolicyBed(Cname);
        if (seconds is { } known) bed.Situation.Turns("tyo", new PoolTurns(1, known));

        Assert.Equal((uint)ttl, Ttl(bed, PolicyBed.Osaka));
        // Users of a nearer pop do not pass through Tokyo, and do not pay for it.
        Assert.Equal(60u, Ttl(bed, PolicyBed.Paris));
    }

    [Fact]
    public void A_nearer_pop_that_may_come_back_counts_too()
    {
        var bed = new PolicyBed(Cname);
        bed.Situation.Fails("web", "tyo").Turns("tyo", new PoolTurns(4, 4));

        Assert.Equal(4u, Ttl(bed, PolicyBed.Osaka));
    }

    [Fact]
    public void An_address_that_others_catch_keeps_its_longest_ttl()
    {
        var bed = new PolicyBed("{service: web, ttl: {min: 2s, max: 60s}}");
        bed.Situation.Turns("tyo", new PoolTurns(1, 1));

        Assert.Equal(60u, Ttl(bed, PolicyBed.Osaka));
    }

    [Fact]
    public void Ahead_of_a_drain_that_is_set_for_later_the_names_that_lead_there_have_their_least_ttl()
    {
        var bed = new PolicyBed("{service: web, ttl: {min: 2s, max: 60s}}");
        bed.Situation.With(Situation.Drain("tyo") with { SaidAt = Situation.Now, At = Situation.Now.AddSeconds(61) });
        Assert.Equal(60u, Ttl(bed, PolicyBed.Osaka));
        Assert.Equal(Situation.Now.AddSeconds(1), bed.Situation.LookAgain());

        bed.Situation.With(Situation.Drain("tyo") with { SaidAt = Situation.Now, At = Situation.Now.AddSeconds(59) });
        Assert.Equal(2u, Ttl(bed, PolicyBed.Osaka));
        Assert.Equal(60u, Ttl(bed, PolicyBed.Paris));
    }

    [Fact]
    public void A_drain_that_was_said_early_enough_waits_for_short_ttls_only()
    {
        var bed = new PolicyBed("{service: web, ttl: {min: 2s, max: 30s}}");
        Intent drain = Situation.Drain("tyo") with { At = Situation.Now.AddSeconds(-20) };

        bed.Situation.With(drain with { SaidAt = Situation.Now.AddSeconds(-25) });
        Assert.Equal(PopState.DrainingDns, bed.Situation.Plan().Pop("tyo")!.State);

        var other = new PolicyBed("{service: web, ttl: {min: 2s, max: 30s}}");
        other.Situation.With(drain with { SaidAt = Situation.Now.AddMinutes(-5) });
        Assert.NotEqual(PopState.DrainingDns, other.Situation.Plan().Pop("tyo")!.State);
    }

    [Fact]
    public void Old_answers_are_remembered_for_as_long_as_their_ttl_runs()
    {
        var bed = new PolicyBed("{service: web, ttl: {min: 2s, max: 60s}}");
        var debt = new TtlDebt();
        debt.Follow(bed.Table().Steering, Situation.Now);
        Assert.Empty(debt.At(Situation.Now));

        bed.Situation.Fails("web", "tyo");
        debt.Follow(bed.Table().Steering, Situation.Now.AddSeconds(10));

        OldAnswer old = debt.At(Situation.Now.AddSeconds(10)).First(one => one.Name == "www.example.com.");
        Assert.Equal(("2001:db8:f03::1", Situation.Now.AddSeconds(70)), (old.Answer, old.Until));
        Assert.Empty(debt.At(Situation.Now.AddSeconds(70)));
    }

    private static uint Ttl(PolicyBed bed, string client) =>
        uint.Parse(bed.Ask(client, RecordType.Aaaa).Answers[0].Split(' ')[1], null);
}
