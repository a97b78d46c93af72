using System.Collections.Immutable;
using System.Net.Sockets;
using Fairlead.Fleet.Spec;

namespace Fairlead.Fleet.Steer;

/// <summary>One step of a policy as it went: what was left, the best first, and what fell out and why.</summary>
public sealed record PolicyTrace(string Step, ImmutableArray<string> Left, ImmutableArray<string> Notes);

/// <summary>What the filters and orders of a policy leave for the clients of one region.</summary>
/// <param name="Pops">The best first; never empty when the fleet has pops that could answer.</param>
/// <param name="TookPart">Every pop whose change could change the answer.</param>
/// <param name="Reason">Why the first one is the first: preferred, failover, override, panic or last-resort.</param>
internal sealed record PolicyResult(ImmutableArray<string> Pops, ImmutableArray<string> TookPart, string Reason);

/// <summary>
/// Runs the part of a policy that does not tell the clients of a region apart: filters and orders. Pure.
/// </summary>
internal sealed class PolicyRun(FleetSpec fleet, Plan plan, SteerSpec steer, string owner, AddressFamily? family)
{
    // How much is asked of a pop that "up" lets pass; nothing passes: less is asked, an empty answer helps nobody.
    private const int InDns = 0;
    private const int Serving = 1;
    private const int NotDead = 2;
    private const int Any = 3;

    private readonly string[] all =
        [.. fleet.Pops.Select(pop => pop.Name).Where(pop => CanAnswer(fleet, steer, pop))];

    // A plan says the same of a pop to every region.
    private readonly Dictionary<(string Pop, int Asked), bool> passes = [];

    public PolicyResult Of(ClientRegion region, List<PolicyTrace>? trace = null)
    {
        ImmutableArray<string> ideal = Filter(region, Any, null, out _);
        int asked = InDns;
        ImmutableArray<string> left = Filter(region, asked, trace, out bool panic);
        while (left.IsEmpty && asked < Any)
        {
            asked++;
            left = Filter(region, asked, null, out panic);
            if (!left.IsEmpty && trace is not null)
                trace.Add(new PolicyTrace($"up, asking less: {Asked(asked)}", left, []));
        }

        if (left.IsEmpty) return new PolicyResult([], [], "none");
        // Without a choice only the first is named: pops behind it may change as they like.
        int last = ideal.IndexOf(steer.Policy.Any(step => step.IsChoice) ? left[^1] : left[0]);
        string reason = panic ? "panic"
            : asked > InDns ? "last-resort"
            : left[0] == ideal[0] ? "preferred"
            : OverrideOf(ideal[0]) is not null ? "override"
            : "failover";
        return new PolicyResult(left, [.. ideal.Take(last + 1)], reason);
    }

    /// <summary>The override that decides about the pop for this name, if one does.</summary>
    public OverridePlan? OverrideOf(string pop) => plan.Overrides.FirstOrDefault(
        one => SpeaksOf(one, owner, pop) || Glob.Matches(one.Pattern, $"{steer.Service}/{pop}"));

    /// <summary>Whether an override names this owner, with or without its last dot, in this pop.</summary>
    public static bool SpeaksOf(OverridePlan one, string owner, string pop) =>
        Glob.Matches(one.Pattern, $"{owner.TrimEnd('.')}/{pop}");

    private ImmutableArray<string> Filter(ClientRegion region, int asked, List<PolicyTrace>? trace, out bool panic)
    {
        List<string> left = [.. all];
        var dropped = new HashSet<string>(StringComparer.Ordinal);
        panic = false;
        foreach (PolicyStep step in steer.Policy.Where(step => !step.IsChoice))
        {
            var notes = ImmutableArray.CreateBuilder<string>();
            switch (step)
            {
                case PolicyStep.Up:
                    foreach (string pop in left.Where(pop => !Passes(pop, asked)).ToList())
                    {
                        left.Remove(pop);
                        dropped.Add(pop);
                        if (trace is not null) notes.Add($"{pop}: {WhyNot(pop)}");
                    }

                    break;
                case PolicyStep.Min min:
                    int needed = min.Count > 0 ? min.Count : (int)Math.Ceiling(all.Length * min.Percent / 100.0);
                    panic = left.Count < needed && dropped.Count > 0;
                    if (!panic) break;
                    left = [.. all.Where(pop => left.Contains(pop) || dropped.Contains(pop))];
                    notes.Add($"only {left.Count - dropped.Count} of at least {needed} are up: all are taken");
                    break;
                case PolicyStep.Geo:
                    left = [.. region.ByDistance.Where(left.Contains)];
                    break;
                case PolicyStep.Map map:
                    notes.Add($"{map.Name}: {region.MapEntry}");
                    left = [.. region.ByMap.Where(left.Contains)];
                    break;
                case PolicyStep.Skip skip:
                    left = [.. left.Skip(Math.Min(skip.Count, left.Count - 1))];
                    break;
                case PolicyStep.Failover failover:
                    left = [.. failover.Pops.Where(left.Contains)];
                    break;
            }

            trace?.Add(new PolicyTrace(step.Word, [.. left], notes.ToImmutable()));
        }

        return [.. left];
    }

    private static bool CanAnswer(FleetSpec fleet, SteerSpec steer, string pop) => steer.Answer switch
    {
        SteerAnswer.Cname => steer.Cname.ContainsKey(pop),
        SteerAnswer.Backends => fleet.Service(steer.Service)!.Backends.ContainsKey(pop),
        _ => true,
    };

    private bool Passes(string pop, int asked)
    {
        if (!passes.TryGetValue((pop, asked), out bool passed))
            passes[(pop, asked)] = passed = MakePasses(pop, asked);
        return passed;
    }

    private bool MakePasses(string pop, int asked)
    {
        if (asked == Any) return true;
        if (OverrideOf(pop) is { } said) return said.Up;
        return asked switch
        {
            InDns => IsUp(pop) && plan.Pop(pop) is { InDns: true },
            Serving => IsUp(pop) && plan.Pop(pop) is { State: not PopState.Dead },
            _ => plan.Pop(pop) is not { State: PopState.Dead },
        };
    }

    private bool IsUp(string pop)
    {
        ServicePlan? verdict = plan.Service(steer.Service);
        return verdict is not null && (family is { } one ? verdict.IsUp(pop, one) : verdict.IsUp(pop));
    }

    private string WhyNot(string pop)
    {
        if (OverrideOf(pop) is { } said) return $"override {said.Pattern}: {said.Reason}";
        if (plan.Pop(pop) is not { } state) return "nothing is known of it yet";
        if (state.State == PopState.Dead) return $"pop is dead: {state.Why}";
        string of = family switch
        {
            AddressFamily.InterNetwork => " for IPv4",
            AddressFamily.InterNetworkV6 => " for IPv6",
            _ => "",
        };
        return IsUp(pop) ? $"pop is {state.State}: {state.Why}" : $"service {steer.Service} is down there{of}";
    }

    private static string Asked(int asked) => asked switch
    {
        Serving => "pops that serve, though DNS is told to leave them",
        NotDead => "pops that are not dead",
        _ => "any pop",
    };
}

/// <summary>Patterns in which * stands for any run of characters.</summary>
public static class Glob
{
    public static bool Matches(string pattern, string text)
    {
        (int p, int t, int star, int from) = (0, 0, -1, 0);
        while (t < text.Length)
        {
            if (p < pattern.Length && pattern[p] == '*') (star, from, p) = (p, t, p + 1);
            else if (p < pattern.Length && pattern[p] == text[t]) (p, t) = (p + 1, t + 1);
            else if (star >= 0) (p, t) = (star + 1, ++from);
            else return false;
        }

        while (p < pattern.Length && pattern[p] == '*') p++;
        return p == pattern.Length;
    }
}
