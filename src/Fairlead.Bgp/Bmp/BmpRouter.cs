using System.Collections.Immutable;
using System.Net;
using Fairlead.Bgp.Wire;
using Fairlead.Net.Addresses;

namespace Fairlead.Bgp.Bmp;

/// <summary>A route as the router tells of it. Paths that are the same are one object.</summary>
public sealed record BmpPath(
    UInt128? NextHopBits, ImmutableArray<Asn> AsPath, ImmutableArray<uint> Communities, uint? Med, uint? LocalPref)
{
    public IPAddress? NextHop => NextHopBits is { } bits ? Prefix.OfMapped(bits, 128).Address : null;

    public bool Equals(BmpPath? other) => other is not null && NextHopBits == other.NextHopBits && Med == other.Med
        && LocalPref == other.LocalPref && AsPath.AsSpan().SequenceEqual(other.AsPath.AsSpan())
        && Communities.AsSpan().SequenceEqual(other.Communities.AsSpan());

    public override int GetHashCode() => HashCode.Combine(
        NextHopBits, Med, LocalPref, AsPath.Length, AsPath.IsEmpty ? default : AsPath[^1], Communities.Length);
}

public readonly record struct BmpRoute(Prefix Prefix, BmpPath Path);

/// <summary>One table of one peer.</summary>
/// <param name="IsComplete">False: routes were left out, for want of room or because they cannot be read.</param>
/// <param name="HasEnded">An End-of-RIB came: the first transfer is over, and what is not there is not there.</param>
public sealed record BmpTableStatus(BmpPeer Peer, BmpView View, int Routes, bool IsComplete, bool HasEnded);

/// <summary>A peer whose session the router holds up.</summary>
/// <param name="External">Its AS is another than the router's.</param>
/// <param name="KeepsDeadRoutes">Its routes outlive it (RFC 4724 §4.2).</param>
public readonly record struct BmpPeerUp(BmpPeer Peer, Asn Asn, bool External, bool KeepsDeadRoutes);

/// <summary>How a monitored router stands.</summary>
public sealed record BmpRouterStatus(
    IPEndPoint From, string? Name, string? Description, ImmutableArray<BmpPeerUp> PeersUp,
    ImmutableArray<BmpTableStatus> Tables, ImmutableSortedDictionary<string, long> Counters, string? LastPeerDown);

/// <summary>
/// What one router has told on its connection: its peers, and their tables, with a limit on all routes together. Fed by
/// the connection's task; anybody may look, under a lock that is never held while waiting.
/// </summary>
public sealed class BmpRouter(IPEndPoint from, int routesMax)
{
    private sealed class Table
    {
        public Dictionary<Prefix, BmpPath> Routes { get; } = [];

        public bool IsComplete { get; set; } = true;

        public bool HasEnded { get; set; }
    }

    private const int PeersMax = 4_096;

    private readonly Lock gate = new();
    private readonly Dictionary<BmpPeer, BmpSession> peers = [];
    private readonly Dictionary<(BmpPeer Peer, BmpView View), Table> tables = [];
    private readonly Dictionary<BmpPeer, Dictionary<ushort, ulong>> statistics = [];
    private readonly Dictionary<BmpPath, BmpPath> paths = [];
    private readonly SortedDictionary<string, long> counters = new(StringComparer.Ordinal);
    private readonly UpdateContent content = new();
    private string? name;
    private string? description;
    private string? lastPeerDown;
    private int routes;

    public IPEndPoint From => from;

    public BmpRouterStatus Status()
    {
        lock (gate)
        {
            return new BmpRouterStatus(
                from, name, description,
                [
                    .. peers.Select(pair => new BmpPeerUp(
                        pair.Key, pair.Value.Asn, pair.Value.External, pair.Value.KeepsDeadRoutes)),
                ],
                [
                    .. tables.Select(pair => new BmpTableStatus(
                        pair.Key.Peer, pair.Key.View, pair.Value.Routes.Count, pair.Value.IsComplete,
                        pair.Value.HasEnded)),
                ],
                counters.ToImmutableSortedDictionary(StringComparer.Ordinal), lastPeerDown);
        }
    }

    /// <summary>A table as it stands, sorted.</summary>
    public ImmutableArray<BmpRoute> Routes(BmpPeer peer, BmpView view)
    {
        lock (gate)
        {
            return tables.TryGetValue((peer, view), out Table? table)
                ? [.. table.Routes.Select(pair => new BmpRoute(pair.Key, pair.Value)).OrderBy(route => route.Prefix)]
                : [];
        }
    }

    /// <summary>The router's own figures of a peer, by the numbers of RFC 7854 §4.8.</summary>
    public ImmutableDictionary<ushort, ulong> Statistics(BmpPeer peer)
    {
        lock (gate)
            return statistics.TryGetValue(peer, out Dictionary<ushort, ulong>? all) ? all.ToImmutableDictionary() : [];
    }

    /// <summary>
    /// Takes the messages that are whole in the octets of a stream; used says how many these were. Not null: why the
    /// connection ends.
    /// </summary>
    public string? TakeAll(ReadOnlySpan<byte> stream, out int used)
    {
        used = 0;
        while (true)
        {
            BmpReject reject = BmpMessage.TryRead(stream[used..], out BmpMessage message, out int length);
            if (reject == BmpReject.Incomplete) return null;
            if (reject != BmpReject.None) CountRejected(reject);
            // Without a length the rest of the stream means nothing.
            if (length == 0) return $"what it says is not BMP: {reject}";
            used += length;
            if (reject == BmpReject.None && Take(message) is { } end) return end;
        }
    }

    /// <summary>Takes a message. Not null: why the connection ends.</summary>
    public string? Take(in BmpMessage message)
    {
        lock (gate)
        {
            Count(message.Type.ToString());
            switch (message.Type)
            {
                case BmpType.Initiation:
                    if (!BmpBodies.TryReadInitiation(message.Body, out name, out description)) Count("Unreadable");
                    break;
                case BmpType.Termination:
                    return $"the router ends: {BmpBodies.TerminationReason(message.Body)}";
                case BmpType.PeerUp:
                    PeerUp(message);
                    break;
                case BmpType.PeerDown:
                    lastPeerDown = $"{message.Peer}: {BmpBodies.DownReason(message.Body)}";
                    Forget(message.Peer);
                    break;
                case BmpType.RouteMonitoring when peers.TryGetValue(message.Peer, out BmpSession session):
                    Monitor(message, session);
                    break;
                case BmpType.RouteMonitoring:
                    Count("UnknownPeer");
                    break;
                case BmpType.Statistics when peers.ContainsKey(message.Peer):
                    if (!statistics.TryGetValue(message.Peer, out Dictionary<ushort, ulong>? figures))
                        statistics[message.Peer] = figures = [];
                    if (!BmpBodies.TryReadStatistics(message.Body, figures)) Count("Unreadable");
                    break;
            }

            return null;
        }
    }

    private void CountRejected(BmpReject reject)
    {
        lock (gate) Count($"Rejected{reject}");
    }

    private void PeerUp(in BmpMessage message)
    {
        // A peer that comes up again has lost what it had.
        Forget(message.Peer);
        if (peers.Count >= PeersMax) Count("TooManyPeers");
        // RFC 9069 §4.4: the local RIB's OPENs are made up. Its routes need have no LOCAL_PREF, as from without.
        else if (message.View == BmpView.Local) peers[message.Peer] = new BmpSession(message.Asn, true, false);
        else if (BmpSession.TryRead(message.Body, out BmpSession session)) peers[message.Peer] = session;
        else Count("Unreadable");
    }

    private void Monitor(in BmpMessage message, BmpSession session)
    {
        if (!tables.TryGetValue((message.Peer, message.View), out Table? table))
            tables[(message.Peer, message.View)] = table = new Table();
        ReadOnlySpan<byte> rest = message.Body;
        bool isUpdate = Message.TryFrame(rest, out MessageType type, out int length, out _)
            && type == MessageType.Update;
        if (!isUpdate || session.AddPath)
        {
            Count(isUpdate ? "AddPath" : "Unreadable");
            table.IsComplete = false;
            return;
        }

        var context = new UpdateContext(session.External, !message.TwoOctetPaths, IPv4: true, IPv6: true);
        UpdateAction action = UpdateReader.Read(rest[Message.HeaderSize..length], context, content);
        if (action == UpdateAction.SessionReset)
        {
            Count("Unreadable");
            table.IsComplete = false;
            return;
        }

        if (content.EndOfRib is not null) table.HasEnded = true;
        foreach ((Prefix gone, uint _) in content.Withdrawn)
        {
            if (table.Routes.Remove(gone)) routes--;
        }

        if (content.Announced.Count > 0) Announce(table);
    }

    private void Announce(Table table)
    {
        // RFC 4760 §3: routes of the NLRI field have the next hop of NEXT_HOP, the others that of MP_REACH_NLRI.
        BmpPath plain = PathBy(content.NextHop), other = PathBy(content.MultiprotocolNextHop);
        for (int i = 0; i < content.Announced.Count; i++)
        {
            Prefix prefix = content.Announced[i].Prefix;
            bool isNew = !table.Routes.ContainsKey(prefix);
            if (isNew && routes >= routesMax)
            {
                Count("NoRoom");
                table.IsComplete = false;
                continue;
            }

            if (isNew) routes++;
            table.Routes[prefix] = i < content.FieldCount ? plain : other;
        }
    }

    private BmpPath PathBy(UInt128? nextHop)
    {
        var made = new BmpPath(
            nextHop, [.. content.AsPath], [.. content.Communities], content.Med, content.LocalPref);
        if (paths.TryGetValue(made, out BmpPath? path)) return path;
        // Paths that no route has any more are let go of together, when there are as many as there may be routes.
        if (paths.Count >= routesMax) paths.Clear();
        return paths[made] = made;
    }

    private void Forget(BmpPeer peer)
    {
        peers.Remove(peer);
        statistics.Remove(peer);
        foreach (BmpView view in Enum.GetValues<BmpView>())
        {
            if (tables.Remove((peer, view), out Table? table)) routes -= table.Routes.Count;
        }
    }

    private void Count(string what) => counters[what] = counters.GetValueOrDefault(what) + 1;
}
