using System.Collections.Immutable;
using System.Net;
using System.Text;
using Fairlead.Balancer;
using Fairlead.Bgp.Announcing;
using Fairlead.Bgp.Session;
using Fairlead.Control;
using Fairlead.Dns.Answering;
using Fairlead.Dns.Steering;
using Fairlead.Fleet;
using Fairlead.Fleet.Decide;
using Fairlead.Fleet.Spec;
using Fairlead.Health;
using Fairlead.Net;
using Fairlead.Net.Addresses;
using Microsoft.Extensions.Logging;

namespace Fairlead.Node;

/// <summary>What the loop last did, for the API. Immutable.</summary>
public sealed record LoopView(long Generation, Plan Plan, World World, NodeReport Report, RouteSet Routes);

/// <summary>
/// Observe, decide, act: the only writer of plans. It turns on every piece of news and when Decide asked to be asked
/// again, and it waits for nobody: not for the store, not for a disk, not for a peer.
/// </summary>
public sealed class ReconcileLoop(
    LoadedFleet loaded, NodeOptions options, TimeProvider time, ILogger log, LastState? last, LastStateFile disk,
    IStore store, CheckEngine checks, Snapshot<DnsTable> dns, BgpSpeaker? speaker, KernelForwarding forwarding,
    ZoneTransfers? transfers = null, Balancing? balancing = null)
{
    private static readonly TimeSpan BalanceWaitMax = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan StoreWaitMax = TimeSpan.FromSeconds(3);

    private readonly SemaphoreSlim news = new(1);
    private readonly Observer observer = new(store, options.Pop, options.Node, last);
    private readonly OwnReport own = new(options.Pop, options.Node, time.GetUtcNow());
    private readonly SemaphoreSlim unsaved = new(0);
    private readonly PlanAnswers answers = new(dns, options.Node, transfers);
    private LoadedFleet fleet = loaded;
    private long generation = last?.Generation ?? 0;
    private Plan? plan = last?.Plan;
    private RouteSet routes = RouteSet.Empty;
    private byte[] acted = [];
    private byte[] reported = [];
    private LoopView? view;
    private long thawedAt;
    private bool balances;
    private readonly DoubtTimes doubtTimes = new();
    private ImmutableArray<Doubt> doubts = [];
    private bool announces;
    private VipTable forwarded = VipTable.Empty;
    private long? forwardedAt;

    public LoadedFleet Fleet => Volatile.Read(ref fleet);

    /// <summary>Null until the first turn is through.</summary>
    public LoopView? View => Volatile.Read(ref view);

    /// <summary>Called when the report says something that others should hear before the next heartbeat.</summary>
    public Action? ReportChanged { get; set; }

    /// <summary>Called when a plan has been acted on.</summary>
    public Action<LoadedFleet, Plan>? Acted { get; set; }

    /// <summary>Asks for a turn. Cheap, from any thread.</summary>
    public void Wake()
    {
        if (news.CurrentCount == 0) news.Release();
    }

    /// <summary>
    /// The process has stood still: what the checks said before it is worth nothing. Nothing new is announced until
    /// each of them has spoken again. From any thread.
    /// </summary>
    public void Thawed()
    {
        Volatile.Write(ref thawedAt, time.GetUtcNow().UtcTicks);
        Wake();
    }

    /// <summary>Goes over to another fleet file, as a whole, with the next turn.</summary>
    public void Replace(LoadedFleet next)
    {
        Volatile.Write(ref fleet, next);
        Wake();
    }

    public async Task RunAsync(CancellationToken stop)
    {
        Task saving = SaveAsync(stop);
        try
        {
            while (true)
            {
                DateTimeOffset now = time.GetUtcNow();
                DateTimeOffset? lookAgain = Turn(now);
                TimeSpan wait = lookAgain is { } when
                    ? when - now + TimeSpan.FromMilliseconds(1)
                    : Timeout.InfiniteTimeSpan;
                // A clock that jumps must not let the loop sleep for a day: it looks at least every second.
                if (wait > TimeSpan.FromSeconds(1) || wait < TimeSpan.Zero) wait = TimeSpan.FromSeconds(1);
                await news.WaitAsync(wait, stop);
            }
        }
        catch (OperationCanceledException)
        {
            await saving;
        }
    }

    /// <summary>What resolvers may still answer though we do not any more.</summary>
    public TtlDebt TtlDebt { get; } = new();

    /// <summary>What DNS answers now.</summary>
    public DnsTable Table => dns.Current;

    /// <summary>What steered names answer now.</summary>
    public SteeringTable Steered => dns.Current.Steering;

    /// <summary>One turn of the loop. Gives when to look again.</summary>
    private DateTimeOffset? Turn(DateTimeOffset now)
    {
        LoadedFleet current = Fleet;
        ImmutableArray<PeerStatus> peers = speaker?.Status() ?? [];
        IReadOnlyList<CheckStatus> states = checks.Status();
        ImmutableArray<Intent> intents = observer.Intents();
        NodeReport report = own.Make(current.Spec, states, intents, routes, peers, now) with
        {
            Balances = balancing is not { Stands: false },
            Carried = balancing?.Carried ?? [],
        };
        World world = observer.Look(current.Spec, report, intents, plan, now);
        (Plan next, DateTimeOffset? lookAgain) = Decision.Decide(current.Spec, world, now);

        var others = balancing is null
            ? ImmutableSortedDictionary<string, ImmutableArray<OtherBalancer>>.Empty
            : OtherBalancers.Of(current.Spec, next, world, report, now);
        doubts = doubtTimes.Follow(OtherBalancers.Doubts(current.Spec, world, report, others, now), now);
        BeginToBalance(current, next, world, report, others, now);
        // What is acted on is the plan, our own pools and what the pop's other nodes balance by; when none of it
        // changes there is nothing to do.
        byte[] pools = FleetJson.Write(report.Pools);
        byte[] acting =
        [
            .. FleetJson.Write(next),
            .. pools,
            .. FleetJson.Write(others),
            .. FleetJson.Write(doubts),
            .. Encoding.ASCII.GetBytes($"{current.GetHashCode()} {transfers?.Turns} {report.Balances}"),
        ];
        bool changed = !acting.AsSpan().SequenceEqual(acted);
        bool begins = !announces && MayAnnounce(current.Spec, report, now);
        announces |= begins;
        if (changed)
        {
            RouteSet wanted = NodeRoutes.Of(current.Spec, next, report, ++generation);
            Withdraw(wanted, states, now);
            LogChanges(next);
            plan = next;
            acted = acting;
            Act(current, next, report, others, wanted);
            Announce(states, now);
            TtlDebt.Follow(Steered, now);
            Acted?.Invoke(current, next);
        }
        else if (begins) Announce(states, now);

        if (Volatile.Read(ref thawedAt) is var since && since != 0)
        {
            Announce(states, now);
            // Whoever stands still again meanwhile is not forgotten.
            if (!(Freshness.OldestOf(states) is { } oldest && oldest.UtcTicks < since))
                Interlocked.CompareExchange(ref thawedAt, 0, since);
        }

        LoopView? before = View;
        Volatile.Write(ref view, new LoopView(generation, next, world, report, routes));
        if (changed && unsaved.CurrentCount == 0) unsaved.Release();
        bool isNews = before is null || !pools.AsSpan().SequenceEqual(reported) || !SameNews(before.Report, report);
        reported = pools;
        if (isNews) ReportChanged?.Invoke();
        return own.NextChange is { } change && !(lookAgain < change) ? change : lookAgain;
    }

    private void Act(
        LoadedFleet current, Plan next, NodeReport report,
        ImmutableSortedDictionary<string, ImmutableArray<OtherBalancer>> others, RouteSet wanted)
    {
        long marked = wanted.Generation;
        // The way must stand before users are sent on it: first the kernel's routes, then names and announcements.
        VipTable vips = NodeRoutes.VipsOf(current.Spec, next, report, marked);
        if (balances) balancing?.Apply(OtherBalancers.With(vips, others, doubts));
        Forward(vips);
        answers.Publish(current, next, marked);
        routes = wanted;
    }

    /// <summary>
    /// What goes goes at once: the kernel, the names and the log may take a tenth of a second. What is new has to wait
    /// for them, and so has everything where an aggregate leans on a route that is new.
    /// </summary>
    private void Withdraw(RouteSet wanted, IReadOnlyList<CheckStatus> states, DateTimeOffset now)
    {
        HashSet<Prefix> stand = [.. routes.Routes.Select(route => route.Prefix)];
        ImmutableArray<Route> stay = [.. wanted.Routes.Where(route => stand.Contains(route.Prefix))];
        stand.ExceptWith(stay.Select(route => route.Prefix));
        HashSet<IPAddress> hosts = [.. stay.Select(route => route.Prefix.Address)];
        if (stand.Count == 0 || stay.Any(route => route.NextHop is { } host && !hosts.Contains(host))) return;
        routes = new RouteSet(routes.Generation, stay);
        Announce(states, now);
    }

    /// <summary>
    /// The kernel's routes are said again with each plan, for it drops them silently with their link; but not at each
    /// of a hundred plans a second, as when many services fail together.
    /// </summary>
    private void Forward(VipTable vips)
    {
        bool same = forwarded.Entries.AsSpan().SequenceEqual(vips.Entries.AsSpan());
        if (same && forwardedAt is { } before && time.GetElapsedTime(before) < TimeSpan.FromSeconds(1)) return;
        (forwarded, forwardedAt) = (vips, time.GetTimestamp());
        forwarding.Apply(vips);
    }

    /// <summary>
    /// The balancer's first table waits until the checks of all pools have spoken: what comes and goes before that
    /// would leave slots in change that no other node has in change, and flows that come over from there would go
    /// astray. For the same reason it waits for the store, which tells what the pop's other nodes balance by, and until
    /// its checks find those up that have flows there: the first answer decides, and that of a machine which just
    /// starts may come too late. Nothing of it holds it up for long.
    /// </summary>
    private void BeginToBalance(
        LoadedFleet current, Plan next, World world, NodeReport report,
        ImmutableSortedDictionary<string, ImmutableArray<OtherBalancer>> others, DateTimeOffset now)
    {
        if (balances || balancing is null) return;
        bool isAlone = balancing.HasTakenOver || current.Spec.Pop(options.Pop)!.Nodes.Length == 1;
        if (!isAlone && world.Store.LiveSince is null && now - report.Started < StoreWaitMax) return;
        bool known = current.Spec.Services.Where(service => service.Balance is not null).All(service =>
            report.Pools.Any(pool => pool.Service == service.Name && pool.Pop == options.Pop && pool.Known));
        bool finds = balancing.HasTakenOver || OtherBalancers.FindsAll(report, others);
        if (!(known && finds) && now - report.Started < BalanceWaitMax) return;
        balances = true;
        VipTable first = NodeRoutes.VipsOf(current.Spec, next, report, generation);
        balancing.Apply(OtherBalancers.With(first, others, doubts));
    }

    /// <summary>
    /// Says how old the oldest observation behind the routes is: after a standstill, what rests on the time before it
    /// may take away, and not add. Always, since the plan may turn before anybody has noticed that we stood still.
    /// </summary>
    private void Announce(IReadOnlyList<CheckStatus> states, DateTimeOffset now)
    {
        if (!announces) return;
        TimeSpan age = Freshness.AgeOf(states, now);
        speaker?.Apply(routes with { AsOf = time.GetTimestamp() - (long)(age.TotalSeconds * time.TimestampFrequency) });
    }

    /// <summary>
    /// RFC 4724 §4.2: a router that has kept an earlier process's routes drops what is not in the first table that it
    /// is told, so that must not be one from before the balancer stands and the checks have spoken. A check that says
    /// nothing for long does not hold it up.
    /// </summary>
    private bool MayAnnounce(FleetSpec spec, NodeReport report, DateTimeOffset now) =>
        !Survival.IsAny(spec, spec.Pop(options.Pop)!)
        || (report.Balances && report.Pools.All(pool => pool.Pop != options.Pop || pool.Known))
        || now - report.Started > BalanceWaitMax;

    private void LogChanges(Plan next)
    {
        foreach (PopPlan pop in next.Pops)
        {
            PopPlan? before = plan?.Pop(pop.Pop);
            if (before?.State != pop.State || before.Rescued != pop.Rescued)
            {
                log.LogInformation("pop {Pop}: {State}, {Why}{Rescued}", pop.Pop, pop.State, pop.Why,
                    pop.Rescued && pop.Pop != options.Pop ? "; its regional prefixes are announced for it" : "");
            }
        }

        ILookup<string, ServicePlan> known =
            (plan?.Services ?? []).ToLookup(one => one.Service, StringComparer.Ordinal);
        foreach (ServicePlan service in next.Services)
        {
            ServicePlan? before = known[service.Service].FirstOrDefault();
            string up = $"IPv4 {string.Join(' ', service.UpIPv4)} | IPv6 {string.Join(' ', service.UpIPv6)}";
            string wasUp = before is null
                ? ""
                : $"IPv4 {string.Join(' ', before.UpIPv4)} | IPv6 {string.Join(' ', before.UpIPv6)}";
            if (service.Held && before is not { Held: true })
                log.LogError("service {Service}: every pool failed at once; the last verdict is held ({Up})",
                    service.Service, up);
            else if (up != wasUp) log.LogInformation("service {Service}: up in {Up}", service.Service, up);
        }
    }

    /// <summary>Writes the newest state whenever there is one. A disk that hangs holds up only this task.</summary>
    private async Task SaveAsync(CancellationToken stop)
    {
        string? fault = null;
        try
        {
            while (true)
            {
                await unsaved.WaitAsync(stop);
                if (View is not { } newest) continue;
                string? now = await Task.Run(() => Save(newest), CancellationToken.None);
                if (now is not null && fault is null) log.LogError("the plan or a serial is not on disk: {Fault}", now);
                if (now is null && fault is not null) log.LogInformation("the plan is on disk again");
                fault = now;
            }
        }
        catch (OperationCanceledException)
        {
            // Stopping: the newest plan was saved when it was made.
        }
    }

    private string? Save(LoopView newest)
    {
        try
        {
            disk.Write(new LastState
            {
                Generation = newest.Generation,
                Plan = newest.Plan,
                Intents = newest.World.Intents,
                Reports = [.. newest.World.Nodes.Select(node => node.Report)],
            });
            return transfers?.Save();
        }
        catch (Exception fault) when (fault is IOException or UnauthorizedAccessException)
        {
            return fault.Message;
        }
    }

    /// <summary>Whether two reports of ours differ, beside their pools, in nothing but ages and numbers.</summary>
    private static bool SameNews(NodeReport one, NodeReport other) =>
        one.Announced.Select(a => a.Prefix).SequenceEqual(other.Announced.Select(a => a.Prefix))
        && Balancing.SameSets(one.Carried, other.Carried);
}
