output "template_ids" {
  description = "Drill => template: `aws fis start-experiment --experiment-template-id …`."
  value       = { for drill, template in aws_fis_experiment_template.this : drill => template.id }
}
