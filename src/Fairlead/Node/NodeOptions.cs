namespace Fairlead.Node;

/// <summary>What the command line says about one node.</summary>
public sealed record NodeOptions
{
    public required string FleetFile { get; init; }

    public required string Pop { get; init; }

    public required string Node { get; init; }

    /// <summary>Where the last plan and the file store are kept.</summary>
    public required string StateFolder { get; init; }

    /// <summary>The API's Unix socket.</summary>
    public required string ControlSocket { get; init; }

    /// <summary>Where the balancer's programs and tables outlive the process: a folder of a BPF file system.</summary>
    public string Pins { get; init; } = DefaultPins;

    public const string DefaultPins = "/sys/fs/bpf/fairlead";
}
