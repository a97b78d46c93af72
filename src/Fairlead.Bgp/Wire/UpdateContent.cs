using Fairlead.Net.Addresses;

namespace Fairlead.Bgp.Wire;

/// <summary>What RFC 7606 §2 asks to be done about an UPDATE, from weakest to strongest.</summary>
public enum UpdateAction
{
    Accept,
    AttributeDiscard,
    TreatAsWithdraw,
    SessionReset,
}

/// <summary>What was wrong with an attribute.</summary>
public enum AttributeProblem
{
    None,
    Flags,
    Length,
    Value,
    Duplicate,
    Missing,
    NotForThisPeer,
    UnknownWellKnown,
    Truncated,
    Routes,
}

/// <summary>The parameters of a session that say how an UPDATE reads.</summary>
public readonly record struct UpdateContext(bool External, bool FourOctetAs, bool IPv4, bool IPv6)
{
    /// <summary>RFC 7911 §4: the family's routes come with path identifiers.</summary>
    public bool AddPathIPv4 { get; init; }

    public bool AddPathIPv6 { get; init; }

    /// <summary>RFC 8950 §4: IPv4 routes may have an IPv6 next hop.</summary>
    public bool IPv6NextHop { get; init; }

    public bool Negotiated(BgpFamily family) =>
        family == BgpFamily.IPv4Unicast ? IPv4 : family == BgpFamily.IPv6Unicast && IPv6;

    public bool HasPaths(BgpFamily family) => family == BgpFamily.IPv4Unicast ? AddPathIPv4 : AddPathIPv6;
}

/// <summary>
/// One UPDATE as read, filled anew by each UpdateReader.Read: the lists are kept, so that reading allocates nothing
/// once they have grown. After treat-as-withdraw the announced prefixes stand among the withdrawn.
/// </summary>
public sealed class UpdateContent
{
    /// <summary>First those of the NLRI field, then those of MP_REACH_NLRI.</summary>
    public List<PathPrefix> Announced { get; } = [];

    /// <summary>How many of the announced stood in the NLRI field: their next hop is NextHop.</summary>
    public int FieldCount { get; set; }

    public List<PathPrefix> Withdrawn { get; } = [];

    /// <summary>Of a two-octet session, with what AS4_PATH told (RFC 6793 §4.2.3).</summary>
    public List<Asn> AsPath { get; } = [];

    public List<uint> Communities { get; } = [];

    public List<ulong> ExtendedCommunities { get; } = [];

    public List<LargeCommunity> LargeCommunities { get; } = [];

    public List<uint> ClusterList { get; } = [];

    public byte? Origin { get; set; }

    /// <summary>The NEXT_HOP attribute's, in the 128-bit space.</summary>
    public UInt128? NextHop { get; set; }

    /// <summary>MP_REACH_NLRI's, in the 128-bit space.</summary>
    public UInt128? MultiprotocolNextHop { get; set; }

    /// <summary>RFC 2545 §3: the second one of MP_REACH_NLRI.</summary>
    public UInt128? LinkLocalNextHop { get; set; }

    public uint? Med { get; set; }

    public uint? LocalPref { get; set; }

    public bool AtomicAggregate { get; set; }

    public (Asn As, uint RouterId)? Aggregator { get; set; }

    public uint? OriginatorId { get; set; }

    /// <summary>RFC 9234 §5: the AS from which on the route may only go to customers.</summary>
    public Asn? OnlyToCustomer { get; set; }

    /// <summary>The family whose first table this UPDATE ends (RFC 4724 §2).</summary>
    public BgpFamily? EndOfRib { get; set; }

    /// <summary>AS4_PATH and AS4_AGGREGATOR until the end, when they join the other two.</summary>
    internal List<Asn> As4Path { get; } = [];

    internal (Asn As, uint RouterId)? As4Aggregator { get; set; }

    public UpdateAction Action { get; private set; }

    /// <summary>The first fault that asked for Action.</summary>
    public AttributeType FaultIn { get; private set; }

    public AttributeProblem Problem { get; private set; }

    /// <summary>How many attributes were discarded, duplicates included.</summary>
    public int Discarded { get; private set; }

    /// <summary>What to send when Action is SessionReset.</summary>
    public Notification? Fault { get; private set; }

    public void Clear()
    {
        Announced.Clear();
        Withdrawn.Clear();
        AsPath.Clear();
        As4Path.Clear();
        Communities.Clear();
        ExtendedCommunities.Clear();
        LargeCommunities.Clear();
        ClusterList.Clear();
        (FieldCount, AtomicAggregate) = (0, false);
        (Origin, Med, LocalPref, OriginatorId, OnlyToCustomer, EndOfRib) = (null, null, null, null, null, null);
        (NextHop, MultiprotocolNextHop, LinkLocalNextHop) = (null, null, null);
        (Aggregator, As4Aggregator) = (null, null);
        (Action, FaultIn, Problem, Discarded, Fault) = (UpdateAction.Accept, 0, AttributeProblem.None, 0, null);
    }

    /// <summary>RFC 7606 §3 (h): of several faults, the strongest action is taken.</summary>
    public void Note(UpdateAction action, AttributeType type, AttributeProblem problem)
    {
        if (action == UpdateAction.AttributeDiscard) Discarded++;
        if (action > Action) (Action, FaultIn, Problem) = (action, type, problem);
    }

    public void Reset(byte subcode, AttributeType type, AttributeProblem problem)
    {
        Note(UpdateAction.SessionReset, type, problem);
        Fault ??= new Notification(NotificationCode.Update, subcode);
    }

    /// <summary>The fault in words, for the operator's event.</summary>
    public string Describe()
    {
        string where = FaultIn == 0 ? "attribute list" : FaultIn.ToString();
        return $"{where}: {Problem}, {Action}";
    }
}
