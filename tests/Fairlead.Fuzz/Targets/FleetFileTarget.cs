using System.Text;
using Fairlead.Dns.Steering;
using Fairlead.Fleet;
using Fairlead.Fleet.Decide;
using Fairlead.Fleet.Spec;
using Fairlead.Fleet.Steer;

namespace Fairlead.Fuzz.Targets;

/// <summary>
/// Fleet files: every fault has a line and a column; of a file without faults a plan can be made, and its steered names
/// are a table or say why not.
/// </summary>
public sealed class FleetFileTarget : IFuzzTarget
{
    private static readonly DateTimeOffset Now = new(2026, 1, 1, 12, 0, 0, TimeSpan.Zero);

    public string Name => "fleet-file";

    public bool IsText => true;

    public int BytesMax => 6144;

    public IReadOnlyList<byte[]> Tokens { get; } = AllTargets.Words("""
        \n ~~ \n~~ \n~~~~ :~ -~ [ ] { } ,~ "" '' # & * ! | > % @ --- ... \t ~: fleet:~ asn:~ pops:~ services:~ zones:~
        geo:~ anycast:~ store:~ safety:~ steer:~ service:~ answer:~ policy:~ ttl:~ backends:~ cname:~ alias:~
        reflect:~true
        nyc lon tyo web {up:~{}} {geo:~{}} up geo {map:~world} {failover:~[nyc,lon]} {weighted:~{nyc:~3,lon:~1}} spread
        {shed:~{here:~10%}} 2.5% 99999999999% 100% {multi:~2} {min:~1} {min:~50%} here there 0 -1 1 65536 4294967296
        1e9 0s 1ms 1h 99999999999s 1d null true ~
        192.0.2.0/24 ::/0 2001:db8::/32 192.0.2.1 ::1 tcp/0 tcp/65536 udp/53 http icmp @ * "*" www. example.com. . ..
        """);

    public int Run(ReadOnlySpan<byte> input)
    {
        var behaviour = new Behaviour();
        FleetFile? file = FleetReader.Read(
            "fleet.yaml", Encoding.UTF8.GetString(input), out IReadOnlyList<SpecProblem> problems);
        BrokenPromiseException.Unless((file is null) == (problems.Count > 0), "a fleet or problems");
        behaviour.Add(Math.Min(problems.Count, 3));
        foreach (SpecProblem problem in problems)
        {
            BrokenPromiseException.Unless(
                problem is { Line: >= 1, Column: >= 1, Message.Length: > 0 }, $"a problem has a place: {problem}");
        }

        if (problems.Count > 0) behaviour.AddMessage(problems[0].Message);
        if (file?.Spec is not { Pops.IsEmpty: false } fleet) return behaviour.Number;
        var world = new World { OwnPop = fleet.Pops[0].Name, Store = new StoreSight(Now.AddHours(-1), Now) };
        (Plan plan, DateTimeOffset? lookAgain) = Decision.Decide(fleet, world, Now);
        BrokenPromiseException.Unless(lookAgain is null || lookAgain > Now, "a plan is looked at again later than now");
        var views = new ClientViews(fleet, Geography.Unknown);
        IReadOnlyList<SteeredName> names = new SteeringCompiler(fleet, views).Names(plan);
        string[] faults = [.. SteeringTable.Problems(names)];
        behaviour.Add(names.Count);
        behaviour.AddMessage(faults.FirstOrDefault() ?? "");
        if (faults.Length == 0) _ = new SteeringTable(names);
        return behaviour.Number;
    }
}
