using System.Net;
using System.Net.Sockets;
using Fairlead.Bgp.Announcing;
using Fairlead.Fleet;
using Fairlead.Fleet.Spec;
using Fairlead.Health;
using Fairlead.Node;

namespace Fairlead.Tests.Node;

/// <summary>
/// What a node tells of its pools: what its checks see, what operators say, and what time makes of both.
/// </summary>
public class OwnReportTests
{
    private const string Text = """
        fleet: f
        anycast: {subnets: [192.0.2.0/24]}
        balancer: {key: 000102030405060708090a0b0c0d0e0f, devices: [eth0]}
        pops:
          nyc: {nodes: {n1: {addresses: [198.51.100.2]}}}
        services:
          web:
            vips: [192.0.2.1]
            ports: [tcp/80]
            check: {kind: tcp, interval: 1s, fall: 3}
            backends: {nyc: [198.51.100.5, 198.51.100.6]}
            minHealthy: 1
            balance: {slowStart: 100s}
        """;

    private static readonly DateTimeOffset Now = new(2026, 1, 1, 12, 0, 0, TimeSpan.Zero);
    private static readonly IPAddress One = IPAddress.Parse("198.51.100.5"), Other = IPAddress.Parse("198.51.100.6");

    private readonly FleetSpec fleet = FleetReader.Read("f.yaml", Text, out _)!.Spec;
    private readonly OwnReport report = new("nyc", "n1", Now);

    [Fact]
    public void A_drained_backend_is_not_among_the_healthy_ones_while_it_is_up()
    {
        Intent drain = Drain(One);

        PoolReport pool = Pool(Now, up: [One, Other], drain);
        Assert.Equal(Other, Assert.Single(pool.Healthy));
        Assert.Equal(One, Assert.Single(pool.Draining));
        // The pool falls with the one that is left.
        Assert.Equal(3, pool.Turns!.PoolSeconds);
        Assert.Equal(1, pool.HealthyIn(AddressFamily.InterNetwork));

        // When its checks fail it is gone, as any other; when the drain is over it counts again.
        Assert.Empty(Pool(Now, up: [Other], drain).Draining);
        Assert.Empty(Pool(drain.Until, up: [One, Other], drain).Draining);
        Assert.Empty(Pool(Now, up: [One, Other], drain with { Backend = IPAddress.Parse("198.51.100.7") }).Draining);
    }

    [Fact]
    public void Who_comes_up_gets_its_weight_a_tenth_at_a_time()
    {
        Assert.Empty(Pool(Now, up: [One]).Warming); // Up from the beginning: nobody has waited for it.
        Assert.Null(report.NextChange);

        Assert.Equal(new WarmingBackend(Other, 10), Assert.Single(Pool(Now, up: [One, Other]).Warming));
        Assert.Equal(Now.AddSeconds(10), report.NextChange);
        Assert.Equal(10, Assert.Single(Pool(Now.AddSeconds(9.9), up: [One, Other]).Warming).Percent);
        Assert.Equal(20, Assert.Single(Pool(Now.AddSeconds(10), up: [One, Other]).Warming).Percent);
        Assert.Equal(90, Assert.Single(Pool(Now.AddSeconds(89), up: [One, Other]).Warming).Percent);
        Assert.Equal(Now.AddSeconds(90), report.NextChange);
        Assert.Empty(Pool(Now.AddSeconds(90), up: [One, Other]).Warming);
        Assert.Null(report.NextChange);
    }

    [Fact]
    public void It_begins_anew_after_each_fall_and_after_a_drain_and_a_clock_set_back_does_not_hold_it()
    {
        _ = Pool(Now, up: [One, Other]);
        Intent drain = Drain(One);
        Assert.Empty(Pool(Now.AddSeconds(1), up: [One, Other], drain).Warming);
        Assert.Equal(10, Assert.Single(Pool(Now.AddSeconds(50), up: [One, Other]).Warming).Percent);
        Assert.Equal(50, Assert.Single(Pool(Now.AddSeconds(95), up: [One, Other]).Warming).Percent);
        _ = Pool(Now.AddSeconds(96), up: [Other]);
        Assert.Equal(10, Assert.Single(Pool(Now.AddSeconds(97), up: [One, Other]).Warming).Percent);

        Assert.Equal(10, Assert.Single(Pool(Now.AddDays(-1), up: [One, Other]).Warming).Percent);
        Assert.Empty(Pool(Now.AddDays(-1).AddSeconds(90), up: [One, Other]).Warming);
    }

    private PoolReport Pool(DateTimeOffset now, IPAddress[] up, params Intent[] intents)
    {
        CheckStatus[] checks =
        [
            .. OwnReport.Checks(fleet, fleet.Pops[0], fleet.Pops[0].Nodes[0]).Checks.Select(check => new CheckStatus(
                check, new CheckState(true, up.Contains(check.Target.Address), 0), now, "", null)),
        ];
        return Assert.Single(report.Make(fleet, checks, intents, RouteSet.Empty, [], now).Pools);
    }

    private static Intent Drain(IPAddress backend) => new()
    {
        Id = $"backend-{backend}",
        Kind = IntentKind.DrainBackend,
        Pop = "",
        Backend = backend,
        Reason = "new disks",
        At = Now,
        Until = Now.AddHours(1),
    };
}
