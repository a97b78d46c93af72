namespace Fairlead.Lab;

/// <summary>Why the lab does not do what it was asked.</summary>
public enum LabFault
{
    /// <summary>Namespaces need root.</summary>
    NotRoot,

    /// <summary>Another process holds the lab, or a lab stands already.</summary>
    Busy,

    /// <summary>No lab stands, or it has no such host.</summary>
    Unknown,

    /// <summary>The topology file has faults.</summary>
    Topology,

    /// <summary>A program did not start or did not become ready in its time.</summary>
    Program,
}

/// <summary>The lab's own failures: what, where, and what to do next, in one message for the operator.</summary>
public sealed class LabException(LabFault kind, string message) : Exception(message)
{
    public LabFault Kind => kind;
}
