using System.Diagnostics;
using System.Net;
using System.Net.NetworkInformation;
using System.Net.Sockets;
using Fairlead.Net.Linux;

namespace Fairlead.Balancer;

/// <summary>
/// Finds the way to each backend as the kernel would go: its route and its neighbour's address (rtnetlink). The XDP
/// program gets the answers ready-made; to ask for each packet would cost it more than all else. The kernel tells what
/// changes, so a look costs next to nothing while nothing does. In the network namespace of the thread that made it.
/// </summary>
public sealed class NextHops : IDisposable
{
    /// <summary>A neighbour on the link answers within this; who does not is found by a later look.</summary>
    private static readonly TimeSpan Patience = TimeSpan.FromMilliseconds(5);
    // A look's work, so that a table never waits long for it: some milliseconds.
    private const int RoutesMax = 1024, QuestionsMax = 64;
    private const int DiscardPort = 9;

    private readonly RouteNetlink kernel = new();
    private readonly Dictionary<IPAddress, NextHop> known = [];
    private readonly Dictionary<IPAddress, KernelRoute?> routes = [];
    private Dictionary<uint, KernelLink> links = [];
    private Dictionary<(uint Device, IPAddress Address), PhysicalAddress> neighbours = [];
    private IReadOnlyCollection<IPAddress> backends = [];
    private KernelChanges changes = KernelChanges.All;
    private int nextQuestion;

    /// <summary>The way as of the last Look; null: there is none that we know of.</summary>
    public NextHop? Of(IPAddress backend) => known.GetValueOrDefault(backend);

    /// <summary>There is more to look up than one look does.</summary>
    public bool IsUnfinished => backends.Count > routes.Count;

    /// <summary>Those without a way that we know of.</summary>
    public IEnumerable<IPAddress> Unknown => backends.Where(backend => !known.ContainsKey(backend));

    /// <summary>
    /// Looks the ways up anew. Neighbours that the kernel does not know are asked for, and waited for a moment. A way
    /// that was known and is not found now stays: a backend's death is the health check's to tell. True: some way is
    /// another one than before.
    /// </summary>
    public bool Look(IReadOnlyCollection<IPAddress> wanted)
    {
        changes |= kernel.TakeChanges(TimeSpan.Zero);
        bool isOther = !ReferenceEquals(wanted, backends);
        if (isOther) Keep(wanted);
        if (!isOther && changes == KernelChanges.None && !IsUnfinished) return Ask() > 0 && Await();
        if (changes.HasFlag(KernelChanges.Routes))
        {
            links = kernel.Links().ToDictionary(link => link.Index);
            routes.Clear();
        }

        LookUpRoutes();
        if (changes != KernelChanges.None) neighbours = kernel.Neighbours();
        changes = KernelChanges.None;
        bool changed = Resolve();
        return (Ask() > 0 && Await()) | changed;
    }

    public void Dispose() => kernel.Dispose();

    private void Keep(IReadOnlyCollection<IPAddress> wanted)
    {
        backends = wanted;
        HashSet<IPAddress> set = [.. wanted];
        foreach (IPAddress gone in routes.Keys.Where(backend => !set.Contains(backend)).ToList()) routes.Remove(gone);
        foreach (IPAddress gone in known.Keys.Where(backend => !set.Contains(backend)).ToList()) known.Remove(gone);
    }

    private void LookUpRoutes()
    {
        // New ones first: those that are known already go on as they are meanwhile.
        IPAddress[] some = [.. backends.Where(backend => !routes.ContainsKey(backend))
            .OrderBy(known.ContainsKey).Take(RoutesMax)];
        KernelRoute?[] found = kernel.Routes(some);
        for (int i = 0; i < some.Length; i++) routes[some[i]] = found[i];
    }

    private bool Resolve()
    {
        bool changed = false;
        foreach ((IPAddress backend, KernelRoute? route) in routes)
        {
            if (route is null) continue;
            if (!neighbours.TryGetValue((route.Device, route.Gateway ?? backend), out PhysicalAddress? to)) continue;
            if (!links.TryGetValue(route.Device, out KernelLink? link) || link.Address is null) continue;
            var hop = new NextHop(
                link.Vlan != 0 ? link.Below : link.Index, link.Address, to, route.Source, link.Mtu, link.Vlan);
            if (known.TryGetValue(backend, out NextHop? before) && before == hop) continue;
            known[backend] = hop;
            changed = true;
        }

        return changed;
    }

    /// <summary>Asks for neighbours that the kernel does not know, some at a time; gives how many.</summary>
    private int Ask()
    {
        if (routes.Count == 0) return 0;
        var missing = new HashSet<(uint Device, IPAddress Address)>();
        foreach ((IPAddress backend, KernelRoute? route) in routes)
        {
            if (route is not null && !neighbours.ContainsKey((route.Device, route.Gateway ?? backend)))
                missing.Add((route.Device, route.Gateway ?? backend));
        }

        nextQuestion = missing.Count > QuestionsMax ? (nextQuestion + QuestionsMax) % missing.Count : 0;
        foreach ((uint device, IPAddress next) in missing.Skip(nextQuestion).Take(QuestionsMax))
            Provoke(next, device);
        return missing.Count;
    }

    /// <summary>Takes what the neighbours answer, as long as patience lasts.</summary>
    private bool Await()
    {
        bool changed = false;
        long begin = Stopwatch.GetTimestamp();
        while (Unknown.Any() && Patience - Stopwatch.GetElapsedTime(begin) is { Ticks: > 0 } left)
        {
            KernelChanges heard = kernel.TakeChanges(left);
            changes |= heard & ~KernelChanges.Neighbours;
            if (!heard.HasFlag(KernelChanges.Neighbours)) continue;
            neighbours = kernel.Neighbours();
            changed |= Resolve();
        }

        return changed;
    }

    /// <summary>A datagram to the discard port has the kernel ask for the neighbour.</summary>
    private static void Provoke(IPAddress next, uint device)
    {
        try
        {
            var to = new IPEndPoint(next, DiscardPort);
            if (next.IsIPv6LinkLocal) to.Address = new IPAddress(next.GetAddressBytes(), device);
            using var socket = new Socket(next.AddressFamily, SocketType.Dgram, ProtocolType.Udp);
            socket.SendTo([0], to);
        }
        catch (SocketException)
        {
            // No route any more, or an answer that says so: the next look tells.
        }
    }
}
