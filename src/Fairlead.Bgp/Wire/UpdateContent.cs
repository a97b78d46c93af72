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
    public bool Negotiated(BgpFamily family) =>
        family == BgpFamily.IPv4Unicast ? IPv4 : family == BgpFamily.IPv6Unicast && IPv6;
}

/// <summary>
/// One UPDATE as read, filled anew by each UpdateReader.Read: the lists are kept, so that reading allocates nothing
/// once they have grown. After treat-as-withdraw the announced prefixes stand among the withdrawn.
/// </summary>
public sealed class UpdateContent
{
    public List<Prefix> Announced { get; } = [];

    public List<Prefix> Withdrawn { get; } = [];

    public List<Asn> AsPath { get; } = [];

    public List<uint> Communities { get; } = [];

    public byte? Origin { get; set; }

    /// <summary>The next hop of the family announced last, in the 128-bit space.</summary>
    public UInt128? NextHop { get; set; }

    public UInt128? LinkLocalNextHop { get; set; }

    public uint? Med { get; set; }

    public uint? LocalPref { get; set; }

    /// <summary>The family whose first table this UPDATE ends (RFC 4724 §2).</summary>
    public BgpFamily? EndOfRib { get; set; }

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
        Communities.Clear();
        (Origin, NextHop, LinkLocalNextHop, Med, LocalPref, EndOfRib) = (null, null, null, null, null, null);
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
